import { JsonFields } from '../protocol/json-reader.js';
import { type Method, readRequest, settle } from './method.js';

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

const fields = new JsonFields<object>({});

export const info: Method<object, InfoResult> = {
  name: 'info',
  read: (reader) => readRequest(reader, {}, fields),

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
