/** `npm run build`: what `npm start` does before it starts. */
import { runScript, setup } from './setup.mjs';

await runScript(setup);
