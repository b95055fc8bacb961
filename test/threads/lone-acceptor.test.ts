import { beforeEach, expect, test } from 'vitest';
import { errors } from '../../src/protocol/codes.js';
import { answerAcceptor, loneAcceptor } from '../../src/threads/lone-acceptor.js';
import type { Acceptor } from '../../src/transport/acceptor.js';
import type { ChildApps } from '../../src/transport/child.js';
import type { AppDescriptor } from '../../src/transport/uws.js';

const APP = 0 as AppDescriptor;
const answers = new Map<string, (body: unknown, from: number) => unknown>();
let heard: unknown[];
let failures: string[];
let problem: Error | undefined;
/** The worker dies before it answers. */
let dies: boolean;
let acceptor: Acceptor;

const apps = {
  listen: async (listener: number, host: string, port: number) => {
    heard.push([listener, host, port]);
    if (problem !== undefined) throw problem;
    return port || 4321;
  },
  stopListening: () => void heard.push('stopped'),
} as unknown as ChildApps;

const asks = {
  ask: async (slot: number, question: string, body: unknown) => {
    expect(slot).toBe(0);
    if (dies) throw errors.internal;
    return JSON.parse(JSON.stringify((await answers.get(question)!(body, 1)) ?? null));
  },
};

/** A turn of everything that is said between the two. */
const said = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  answers.clear();
  [heard, failures, problem, dies] = [[], [], undefined, false];
  answerAcceptor({ answer: (question, handler) => void answers.set(question, handler) }, apps);
  acceptor = loneAcceptor(asks, 2, (reason) => failures.push(reason));
});

test('has the worker listen when it is told to, not before; whoever takes its place listens on the same port', async () => {
  acceptor.addChild(APP);
  await said();
  expect(heard).toEqual([]);
  expect(await acceptor.listen('127.0.0.1', 0)).toBe(4321);
  acceptor.removeChild(APP);
  acceptor.addChild(APP);
  await said();
  expect(heard).toEqual([
    [2, '127.0.0.1', 0],
    [2, '127.0.0.1', 4321],
  ]);
  expect(failures).toEqual([]);
});

test('says why the worker cannot listen', async () => {
  problem = new Error('Cannot listen on 127.0.0.1:80: no permission.');
  await expect(acceptor.listen('127.0.0.1', 80)).rejects.toThrow(problem.message);
});

test('a successor that cannot listen is a failure, one that dies is not: it has a successor itself', async () => {
  await acceptor.listen('', 80);
  dies = true;
  acceptor.addChild(APP);
  await said();
  expect(failures).toEqual([]);
  [dies, problem] = [false, new Error('taken')];
  acceptor.addChild(APP);
  await said();
  expect(failures).toEqual(['a new worker cannot listen: taken']);
});

test('once closed nobody listens, nor does a successor', async () => {
  await acceptor.listen('', 80);
  acceptor.close();
  acceptor.addChild(APP);
  await said();
  expect(heard).toEqual([[2, '', 80], 'stopped']);
});
