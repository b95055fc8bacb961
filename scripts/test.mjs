/** `npm test [-- vitest arguments]`: prepare, lint, type check, test. The first failure decides the exit code. */
import { runScript, runTool, SetupError, setup } from './setup.mjs';

function check(what, tool, args) {
  if (runTool(tool, args) !== 0) throw new SetupError(`${what} failed.`);
}

await runScript(() => {
  setup();
  check('Lint', 'biome', ['check', '.']);
  check('Type check', 'tsc', ['-p', 'tsconfig.test.json']);
  check('Tests', 'vitest', ['run', ...process.argv.slice(2)]);
});
