/**
 * CPU time of both threads together for a message from one to the other: so many are sent in a turn, and answered by one when
 * all are there. Both threads wait in between. After some hundred groups they watch instead of sleeping, and that is in the price.
 */
import { performance } from 'node:perf_hooks';
import { openPeer } from './threads.mjs';

const BYTES = 256;
const GROUPS = [64, 1];
const WARM_UP_SHARE = 0.25;

/** @returns {Promise<number>} microseconds of CPU a message, answers counted too; NaN if an answer was wrong */
async function measure(group, { milliseconds, ring }) {
  const record = new Uint8Array(BYTES);
  const number = new DataView(record.buffer);
  let sent = 0;
  let rounds = 0;
  let started = null;
  const warmUntil = performance.now() + milliseconds * WARM_UP_SHARE;
  let finish;
  const finished = new Promise((resolve) => {
    finish = resolve;
  });
  const send = () => {
    for (let i = 0; i < group; i++) {
      number.setUint32(0, sent++, true);
      link.send(record);
    }
  };
  const onAnswer = (last) => {
    const now = performance.now();
    if (last !== sent - 1) return finish(Number.NaN);
    rounds++;
    if (started === null && now >= warmUntil) started = { at: now, rounds, cpu: process.cpuUsage() };
    if (started !== null && now >= started.at + milliseconds) {
      const { user, system } = process.cpuUsage(started.cpu);
      return finish((user + system) / ((rounds - started.rounds) * (group + 1)));
    }
    send();
  };
  const { link, close } = await openPeer('mesh', 'answer', { bytes: BYTES, ring, every: group }, onAnswer);
  send();
  link.flush();
  const cpuUs = await finished;
  await close();
  return cpuUs;
}

/** @returns {Promise<{name: string, cpuUs: number | null}[]>} */
export async function measureHops(options) {
  const rows = [];
  for (const group of GROUPS) {
    const cpuUs = await measure(group, options);
    rows.push({ name: `${group} at a time`, cpuUs: Number.isNaN(cpuUs) ? null : cpuUs });
  }
  return rows;
}
