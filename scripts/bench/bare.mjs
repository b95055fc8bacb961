/**
 * The floor of the library: a server with nothing but uWebSockets.js in it, which answers what benchmarks ask.
 *
 *   npm run bench:compare -- publish connect --apart --with 'node scripts/bench/bare.mjs {port} {config}'
 *
 * One thread, JSON, no checks, no promises, no bounds: tokens are not looked at, whoever asks may. What a scenario costs here
 * is what the kernel, the library and calls between C++ and JavaScript cost; what Gyre costs more is its own.
 *
 * Scenarios: fanout, channels, publish, connect, recover, idle (its pings are not sent).
 */
import uWS from 'uWebSockets.js';

const HISTORY_MAX_PUBLICATIONS = 1000;
const JSON_TYPE = 'application/json';
const NEWLINE = Buffer.from('\n');

/** By name: subscribers, and what they would recover. */
const channels = new Map();

function channelOf(name) {
  let channel = channels.get(name);
  if (channel === undefined) {
    channel = { name, offset: 0, history: [], members: new Set() };
    channels.set(name, channel);
  }
  return channel;
}

const keepsHistory = ({ name }) => name.startsWith('benchhist:');

// ---- The server API ----

const methods = {
  info: () => ({ nodes: [{ version: 'bare' }] }),
  publish: ({ channel: name, data }) => publish(channelOf(name), data),
  broadcast: ({ channels: names, data }) => ({
    responses: names.map((name) => ({ result: publish(channelOf(name), data) })),
  }),
  history: ({ channel: name }) => ({ offset: channelOf(name).offset, epoch: 'bare', publications: [] }),
};

function publish(channel, data) {
  const offset = ++channel.offset;
  const publication = keepsHistory(channel) ? { data, offset } : { data };
  if (keepsHistory(channel)) {
    channel.history.push(publication);
    if (channel.history.length > HISTORY_MAX_PUBLICATIONS) channel.history.shift();
  }
  if (channel.members.size > 0) push(channel, publication);
  return keepsHistory(channel) ? { offset, epoch: 'bare' } : {};
}

/** All publications of a turn go to a socket in one message. */
const due = new Map();

function push(channel, pub) {
  const message = Buffer.from(JSON.stringify({ push: { channel: channel.name, pub } }));
  if (due.size === 0) setImmediate(flush);
  const messages = due.get(channel);
  if (messages === undefined) due.set(channel, [message]);
  else messages.push(NEWLINE, message);
}

function flush() {
  for (const [{ members }, messages] of due) {
    const frame = messages.length === 1 ? messages[0] : Buffer.concat(messages);
    for (const ws of members) ws.send(frame, false);
  }
  due.clear();
}

function answer(path, body) {
  const request = JSON.parse(body);
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name !== 'batch') return { result: methods[name](request) };
  const replies = request.commands.map((command) => {
    const [[method, params]] = Object.entries(command);
    return { [method]: methods[method](params) };
  });
  return { replies };
}

// ---- Clients ----

const CONNECTED = { client: 'bare', version: 'bare' };

function subscribed({ channel: name, recover, offset = 0 }, ws) {
  const channel = channelOf(name);
  channel.members.add(ws);
  ws.getUserData().channel = channel;
  if (!recover) return '{}';
  // Those who come back from the same place are told the same.
  if (channel.told?.from !== offset || channel.told.to !== channel.offset) {
    const publications = channel.history.filter((publication) => publication.offset > offset);
    const result = { recoverable: true, epoch: 'bare', publications, recovered: true, offset: channel.offset };
    channel.told = { from: offset, to: channel.offset, text: JSON.stringify(result) };
  }
  return channel.told.text;
}

function reply(command, ws) {
  const { id, connect, subscribe } = JSON.parse(command);
  if (connect) return `{"id":${id},"connect":${JSON.stringify(CONNECTED)}}`;
  return `{"id":${id},"subscribe":${subscribed(subscribe, ws)}}`;
}

const port = Number(process.argv[2]);

uWS
  .App()
  .ws('/connection/websocket', {
    idleTimeout: 0,
    sendPingsAutomatically: false,
    upgrade(res, req, context) {
      const header = (name) => req.getHeader(`sec-websocket-${name}`);
      res.upgrade({ channel: undefined }, header('key'), header('protocol'), header('extensions'), context);
    },
    message(ws, message) {
      const commands = Buffer.from(message).toString().split('\n');
      ws.send(commands.map((command) => reply(command, ws)).join('\n'), false);
    },
    close: (ws) => void ws.getUserData().channel?.members.delete(ws),
  })
  .get('/health', (res) => void res.end('{}'))
  .post('/api/*', (res, req) => {
    const path = req.getUrl();
    const chunks = [];
    res.onAborted(() => {});
    res.onData((chunk, isLast) => {
      chunks.push(Buffer.from(chunk.slice(0)));
      if (!isLast) return;
      const body = JSON.stringify(answer(path, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
      res.cork(() => void res.writeHeader('Content-Type', JSON_TYPE).end(body));
    });
  })
  .listen('127.0.0.1', port, (listening) => {
    if (!listening) throw new Error(`cannot listen on port ${port}`);
  });
