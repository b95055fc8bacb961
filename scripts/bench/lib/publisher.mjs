/** Publishes on a schedule that does not wait for answers (open loop), over a few keep-alive connections. */
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { micros } from './wire.mjs';

/**
 * Publishes `total` messages to a channel at `rate` per second. Message i is due at start + i / rate and carries that time,
 * so that a server (or this process, whose timers have a grain of 1 ms) that falls behind shows up as latency and not as
 * a lower rate.
 *
 * With `batch` > 1, so many publications go in one /api/batch request, due together.
 * More than one connection can reorder publications on their way, but never their offsets.
 * @returns {Promise<{seconds: number, lateMsMax: number}>} how long it took, and how late the worst request left
 */
export async function publish({ url, key, channel, rate, total, size, batch, connections }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections, scheduling: 'fifo' });
  const padding = 'x'.repeat(size);
  const publication = (due) => ({ channel, data: pad({ due }, padding, size) });
  const start = micros();
  const pending = new Set();
  let lateUsMax = 0;
  let failure = null;
  for (let sent = 0; sent < total; ) {
    if (failure) throw failure;
    const due = start + Math.round((sent * 1e6) / rate);
    const wait = due - micros();
    if (wait > 0) {
      await sleep(wait / 1000);
      continue;
    }
    lateUsMax = Math.max(lateUsMax, -wait);
    const count = Math.min(batch, total - sent);
    const body =
      batch === 1
        ? publication(due)
        : { commands: Array.from({ length: count }, () => ({ publish: publication(due) })) };
    const answer = post(agent, new URL(batch === 1 ? '/api/publish' : '/api/batch', url), key, JSON.stringify(body))
      .catch((error) => {
        failure = error;
      })
      .finally(() => pending.delete(answer));
    pending.add(answer);
    sent += count;
    // Even when behind schedule, let the sockets of this process have their turn.
    if (pending.size >= connections) await new Promise(setImmediate);
  }
  await Promise.all(pending);
  agent.destroy();
  if (failure) throw failure;
  return { seconds: (micros() - start) / 1e6, lateMsMax: lateUsMax / 1000 };
}

/** The data with as much padding as makes its JSON `size` bytes long. */
function pad(data, padding, size) {
  const bare = JSON.stringify({ ...data, pad: '' }).length;
  return { ...data, pad: padding.slice(0, Math.max(0, size - bare)) };
}

function post(agent, url, key, body) {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), 'X-API-Key': key };
    const request = http.request(url, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      response.on('end', () => {
        if (response.statusCode !== 200 || text.includes('"error"'))
          reject(new Error(`publish answered ${response.statusCode}: ${text}`));
        else resolve();
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
