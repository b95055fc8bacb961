import { type Config, configSchema } from './config.js';
import { formatDuration } from './duration.js';
import { isLeaf, optionOf, type Shape } from './fields.js';
import type { Tree } from './tree.js';

/** A configuration as it is written in a file: every option, durations as text. */
export const toFile = (config: Config): Tree => render(configSchema.unwrap().shape, config);

function render(shape: Shape, values: Tree): Tree {
  const tree: Tree = {};
  for (const [key, schema] of Object.entries(shape)) {
    const option = optionOf(schema);
    const value = values[key];
    if (option === undefined || value === undefined) continue;
    if (isLeaf(option)) tree[key] = option.kind === 'duration' ? formatDuration(value as number) : value;
    else if (option.kind === 'section') tree[key] = render(option.shape, value as Tree);
    else tree[key] = (value as Tree[]).map((item) => render(option.shape, item));
  }
  return tree;
}
