/** Idle connections with one subscription each. They are opened in steps, and must all stay until the end. */
import { Client, openEach } from '../client.mjs';
import { Cues, share } from '../crew.mjs';

export default async function holders({ options, first, step, port }) {
  const cues = new Cues(port);
  const clients = [];
  let lost = 0;
  let why = null;
  const onLost = (reason) => {
    lost++;
    why ??= reason;
  };
  cues.tell('ready');
  const { steps } = await cues.of('go');
  const stopped = cues.of('stop');
  for (let k = 0; k < steps; k++) {
    const command = await Promise.race([cues.of(`open ${k}`), stopped]);
    if (command === true) break;
    const indexes = [...share(command.to, first, step)].filter((index) => index >= command.from);
    await openEach(indexes, async (index) => {
      const client = new Client({ options, index, user: `bench-${index}`, onLost });
      clients.push(client);
      await client.open({ subscribe: { channel: `${options.prefix}${index % options.channels}` } });
    });
    cues.tell(`opened ${k}`);
  }
  await stopped;
  for (const client of clients) client.close();
  cues.close();
  return { lost, why };
}
