import { list, shape, string, uint32 } from './fields.js';
import { type Method, noFields, settle } from './method.js';

export interface NodeInfo {
  uid: string;
  name: string;
  version: string;
  numClients: number;
  /** This and the number of channels are estimates (± 2 %) beyond some thousands, where there are several workers. */
  numUsers: number;
  numChannels: number;
  numSubs: number;
  uptimeSeconds: number;
}

export interface InfoResult {
  nodes: NodeInfo[];
}

const node = shape({
  uid: string('Identifies the process.'),
  name: string('Name of the node.'),
  version: string('Version of the server.'),
  numClients: uint32('Connections.'),
  numUsers: uint32('Users with connections. Beyond some thousands an estimate, like the number of channels.'),
  numChannels: uint32('Channels with subscribers.'),
  uptime: uint32('Seconds since the start.'),
  numSubs: uint32('Subscriptions.'),
});

export const info: Method<object, InfoResult> = {
  name: 'info',
  about: {
    tag: 'Server',
    summary: 'Nodes and what they hold',
    description: 'All nodes of the cluster, the one that answers first.',
    example: {},
  },
  request: noFields,
  result: shape({ nodes: list(node, 'Nodes.') }),

  run(_request, deps, done) {
    settle(
      deps.cluster.info().then((nodes) => ({ nodes })),
      done,
    );
  },

  write(w, { nodes }) {
    w.key('nodes');
    w.ascii('[');
    for (const node of nodes) {
      w.comma();
      w.open();
      for (const key of ['uid', 'name', 'version'] as const) {
        w.key(key);
        w.text(node[key]);
      }
      w.key('num_clients');
      w.digits(node.numClients);
      w.key('num_users');
      w.digits(node.numUsers);
      w.key('num_channels');
      w.digits(node.numChannels);
      w.numberField('uptime', node.uptimeSeconds);
      w.key('num_subs');
      w.digits(node.numSubs);
      w.close();
    }
    w.ascii(']');
  },
};
