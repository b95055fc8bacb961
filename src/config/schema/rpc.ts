import { bool, list, section, text } from '../fields.js';
import { proxy } from './proxy.js';

const rpcFields = {
  proxy_enabled: bool('Passes RPC calls on to the backend.'),
  proxy_name: text('default', 'Proxy that is called.'),
};

export const rpc = section(
  {
    proxy: proxy('The RPC proxy that the name "default" means.'),
    without_namespace: section(rpcFields, 'Methods without namespace.'),
    namespaces: list({ name: text('', 'Unique name.'), ...rpcFields }, 'Namespaces: groups of methods.'),
    ping: section(
      {
        enabled: bool('Answers the ping method.'),
        method: text('ping', 'Name of that method.'),
      },
      'A method that the server answers itself with {}.',
    ),
    namespace_boundary: text(':', 'Ends the namespace in a method name.'),
  },
  'Remote procedure calls of clients.',
);
