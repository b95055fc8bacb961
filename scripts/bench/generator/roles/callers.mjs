/**
 * Clients of rpc: each operation is a request over a connection that stands, timed until its reply. It is the RPC method
 * `echo` where the server has it, else a publication, which is acknowledged.
 */
import { Client, openEach } from '../client.mjs';
import { micros, openLoop } from '../clock.mjs';
import { Cues, share } from '../crew.mjs';
import { payload } from '../encodings.mjs';
import { Meter } from '../meter.mjs';

const IN_FLIGHT_MAX = 100_000;

export default async function callers({ options, first, step, port }) {
  const cues = new Cues(port);
  const errors = { count: 0, first: null };
  const failed = (error) => {
    errors.count++;
    errors.first ??= error.message;
  };
  const clients = [...share(options.publishers, first, step)].map(
    (index) => new Client({ options, index, user: `bench-${index}` }),
  );
  await openEach(clients, (client) => client.open({ subscribe: { channel: channelOf(client) } }));
  const hasRpc = clients.length > 0 && (await answersRpc(clients[0]));
  cues.tell('ready', hasRpc);

  const plan = await cues.of('go');
  const meter = new Meter(plan.fromUs);
  let inFlight = 0;
  const call = async (i, dueUs) => {
    const client = clients[Math.floor(i / step) % clients.length];
    const data = payload(0, i, dueUs, options.size);
    await client.ask(
      hasRpc ? { rpc: { method: 'echo', data } } : { publish: { channel: quietChannelOf(client), data } },
    );
    const now = micros();
    meter.operation(dueUs, now);
    meter.time(dueUs, now);
  };
  const pending = new Set();
  await openLoop({ ...plan, first, step }, (i, dueUs) => {
    if (inFlight >= IN_FLIGHT_MAX) throw new Error(`more than ${IN_FLIGHT_MAX} calls are waiting for an answer`);
    inFlight++;
    const one = call(i, dueUs)
      .catch(failed)
      .finally(() => {
        inFlight--;
        pending.delete(one);
      });
    pending.add(one);
  }).catch(failed);
  await Promise.race([Promise.all(pending), cues.of('stop')]);
  if (inFlight > 0) failed(new Error(`${inFlight} calls got no answer`));
  for (const client of clients) client.close();
  cues.close();
  return { errors: errors.count, why: errors.first, method: hasRpc ? 'rpc' : 'publish', meter: meter.export() };
}

const channelOf = (client) => `bench:caller-${client.setup.index}`;
/** Nobody listens there: the acknowledgement alone is measured. */
const quietChannelOf = (client) => `bench:quiet-${client.setup.index}`;

const answersRpc = (client) =>
  client.ask({ rpc: { method: 'echo', data: {} } }).then(
    () => true,
    () => false,
  );
