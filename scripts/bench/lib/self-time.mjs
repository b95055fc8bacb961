/** Where the time of a CPU profile went, by function and by file. */

const IDLE = '(idle)';
const GC = '(garbage collector)';
const PROGRAM = '(program)';

/** Where a function's code is. `native`: compiled code, the kernel included. */
function placeOf({ functionName, url }) {
  if (functionName === IDLE) return 'idle';
  if (functionName === GC) return 'garbage collection';
  if (url === '' || functionName === PROGRAM) return 'native';
  return url.startsWith('node:') ? 'Node.js' : 'JavaScript';
}

/** `file:///…/dist/channels/delivery.js` → `channels/delivery.js`. */
const shortUrl = (url) => url.replace(/^file:\/\//, '').replace(/^.*\/(?:dist|node_modules)\//, '');

/**
 * @param {object} profile as V8 writes it
 * @param {{from: number, seconds: number}} part  only so many seconds of it, from so many after its start
 * @returns {{seconds: number, busy: number, places: Share[], functions: Share[], files: Share[]}}
 *   `busy` is a share of the seconds, all others ({name, share}, largest first) of the busy time
 */
export function selfTimes(profile, { from, seconds }) {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const [places, functions, files] = [new Map(), new Map(), new Map()];
  let at = profile.startTime;
  const fromUs = at + from * 1e6;
  let [all, idle] = [0, 0];
  profile.samples.forEach((id, i) => {
    // The time from this sample to the next is that of this one; deltas stand before their samples.
    at += profile.timeDeltas[i];
    const us = Math.max(0, profile.timeDeltas[i + 1] ?? 0);
    if (at < fromUs || at >= fromUs + seconds * 1e6) return;
    const frame = nodes.get(id);
    const place = placeOf(frame);
    all += us;
    if (place === 'idle') {
      idle += us;
      return;
    }
    add(places, place, us);
    const file = frame.url === '' ? undefined : shortUrl(frame.url);
    add(
      functions,
      `${frame.functionName || '(anonymous)'}  ${file ? `${file}:${frame.lineNumber + 1}` : nativeName(frame)}`,
      us,
    );
    add(files, file ?? place, us);
  });
  const busy = all - idle;
  const shares = (times) =>
    [...times].map(([name, us]) => ({ name, share: busy > 0 ? us / busy : 0 })).sort((a, b) => b.share - a.share);
  return {
    seconds: all / 1e6,
    busy: all > 0 ? busy / all : 0,
    places: shares(places),
    functions: shares(functions),
    files: shares(files),
  };
}

const nativeName = ({ functionName }) =>
  functionName === PROGRAM ? 'native code outside of JavaScript calls, kernel' : functionName === GC ? '' : 'native';

const add = (times, name, us) => times.set(name, (times.get(name) ?? 0) + us);
