#!/usr/bin/env node
import { processIo } from './io.js';
import { run } from './program.js';

// The reader of a pipe (`gyre defaultenv | head`) may go at any time; that is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

// The server is loaded only when it is started: it needs the native transport, which the other commands do not.
const code = await run(process.argv.slice(2), processIo, async (loaded) => {
  const { serve } = await import('../main.js');
  await serve(loaded);
});
// Threads of a server that could not start would keep the process alive.
if (code !== 0) process.exit(code);
