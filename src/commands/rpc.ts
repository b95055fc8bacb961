import type { Client } from '../clients/client.js';
import { errors } from '../protocol/codes.js';
import type { RpcRequest } from '../protocol/messages.js';
import { askRpc } from '../proxy/events.js';
import type { CommandDeps, Outcome, RpcOptions } from './deps.js';
import { refusalOf } from './refusal.js';

type Deps = Pick<CommandDeps, 'config' | 'proxies'>;

/** `rpc.ping` is the only built-in method; the application answers the others. */
export function rpc(client: Client, request: RpcRequest, id: number, { config, proxies }: Deps): Outcome {
  const { ping } = config.rpc;
  if (ping.enabled && request.method === ping.method) return client.reply({ id, rpc: {} });
  if (!proxies.has('rpc')) return client.refuse(id, ping.enabled ? errors.methodNotFound : errors.notAvailable);
  const options = optionsOf(request.method, config.rpc);
  if (options === undefined) return client.refuse(id, errors.methodNotFound);
  const proxy = options.proxy_enabled ? proxies.get('rpc', options.proxy_name) : undefined;
  if (proxy === undefined) return client.refuse(id, errors.notAvailable);
  return askRpc(proxy, client, request).then((answer) => {
    if ('result' in answer) client.reply({ id, rpc: { data: answer.result?.data } });
    else client.refuse(id, refusalOf(answer));
  });
}

/** Of the method's namespace. @returns undefined if that is not configured. */
function optionsOf(method: string, rpc: Deps['config']['rpc']): RpcOptions | undefined {
  const boundary = rpc.namespace_boundary === '' ? -1 : method.indexOf(rpc.namespace_boundary);
  const namespace = method.slice(0, Math.max(0, boundary));
  return namespace === '' ? rpc.without_namespace : rpc.namespaces.find(({ name }) => name === namespace);
}
