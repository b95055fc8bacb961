import { type ChannelOptions, type Config, configSchema } from './config.js';
import { Findings } from './config-error.js';
import { parseDuration } from './duration.js';
import { type Support, supportOf } from './support-table.js';
import { eachLeaf, eachPath, type LeafVisit, plainPath, showPath } from './tree.js';

const shape = configSchema.unwrap().shape;

/** Whether an option has its default value. */
function isDefault({ kind, leaf, value }: LeafVisit): boolean {
  if (kind === 'duration') return value === parseDuration(leaf.default as string);
  return JSON.stringify(value) === JSON.stringify(leaf.default);
}

const isAccepted = (support: Support, value: unknown): boolean =>
  support.status === 'never' ||
  (support.status === 'not yet' && support.effect === 'none') ||
  (support.status === 'supported' && (support.only?.includes(value) ?? true));

const isStream = (type: ChannelOptions['subscription_type']): boolean => type === '' || type === 'stream';

/**
 * Compares what is asked for with what is there. Options that cannot be had are problems; those that only lead to
 * refused clients, or that nothing uses, are warnings. One line for each group of options.
 */
export function checkSupport(config: Config): Findings {
  const findings = new Findings();
  const groups = new Map<string, { support: Support; paths: Set<string> }>();
  const others = channelsOfOtherTypes(config);

  eachLeaf(shape, config, (at) => {
    const { rule, support } = supportOf(plainPath(at.path));
    if (isAccepted(support, at.value) || isDefault(at)) return;
    const path = showPath(at.path, config);
    // Nobody can subscribe to a channel of another type, so its other options do not matter.
    if (others.some((other) => path.startsWith(`${other}.`))) return;
    const group = groups.get(rule) ?? { support, paths: new Set() };
    groups.set(rule, group);
    group.paths.add(path[rule.length] === '[' ? path.slice(0, path.indexOf(']') + 1) : path);
  });

  for (const { support, paths } of groups.values()) {
    const warns = support.status === 'not yet' && support.effect === 'warn';
    const lines = warns ? findings.warnings : findings.problems;
    lines.push(`${[...paths].join(', ')}: not supported yet: ${support.reason}`);
  }
  if (others.length > 0) {
    const reason = 'subscriptions of a type other than stream are refused';
    findings.warnings.push(`${others.join(', ')}: not supported yet: ${reason}`);
  }
  return findings;
}

function channelsOfOtherTypes({ channel }: Config): string[] {
  const others = channel.namespaces.filter((namespace) => !isStream(namespace.subscription_type));
  const paths = others.map(({ name }) => `channel.namespaces[${JSON.stringify(name)}]`);
  return isStream(channel.without_namespace.subscription_type) ? paths : ['channel.without_namespace', ...paths];
}

export interface OptionSupport {
  path: string;
  status: Support['status'];
  reason: string;
}

/** Every option and how far it is supported, in schema order. */
export function listSupport(): OptionSupport[] {
  const options: OptionSupport[] = [];
  for (const { path, option } of eachPath(shape)) {
    if (option.kind === 'section') continue;
    const { status, reason } = supportOf(path).support;
    options.push({ path, status, reason });
  }
  return options;
}
