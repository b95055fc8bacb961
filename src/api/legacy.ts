/**
 * The API in one URL, which the admin web interface and old backends use: `POST <prefix>` with commands
 * `{"id": 1, "method": "publish", "params": {…}}` one after the other, answered with a line for each.
 */
import { startInOrder } from '../lib/in-order.js';
import { JsonFields } from '../protocol/json-fields.js';
import { JsonReader } from '../protocol/json-reader.js';
import { JsonError } from '../protocol/json-scanner.js';
import type { JsonWriter } from '../protocol/json-writer.js';
import type { HttpResponse } from '../transport/http.js';
import type { ApiDeps } from './deps.js';
import { type ApiError, apiErrors } from './errors.js';
import { type AnyMethod, call, writeError } from './method.js';
import { mayOverlap, methods } from './methods.js';
import { badRequest, json } from './respond.js';

const MAX_CALLS_IN_FLIGHT = 1024;

/** A method's place is its number; 13 was never given. From 14 to 32 are methods that only Centrifugo PRO has. */
const NUMBERED = [
  ...['publish', 'broadcast', 'unsubscribe', 'disconnect', 'presence', 'presence_stats', 'history', 'history_remove'],
  ...['channels', 'info', 'rpc', 'subscribe', 'refresh', '', 'connections', 'update_user_status', 'get_user_status'],
  ...['delete_user_status', 'block_user', 'unblock_user', 'revoke_token', 'invalidate_user_tokens', 'device_register'],
  ...['device_update', 'device_remove', 'device_list', 'device_topic_list', 'device_topic_update', 'user_topic_list'],
  ...['user_topic_update', 'send_push_notification', 'update_push_status', 'cancel_push', 'map_publish', 'map_remove'],
  ...['map_read_state', 'map_read_stream', 'map_stats', 'map_clear', 'shared_poll_publish'],
];

interface Command {
  id: number;
  /** Its number. */
  method: number;
  params: Buffer | undefined;
}

interface Reply {
  id: number;
  method: AnyMethod | undefined;
  error: ApiError | null;
  result: object | undefined;
}

const fields = new JsonFields<Command>({ id: (r) => r.uint32(), method: readMethod, params: (r) => r.raw() });

/** A name in any case, or a number; the number of a method that there is none of is for the reply to say. */
function readMethod(reader: JsonReader): number {
  const text = reader.raw().toString();
  if (/^-?\d+$/.test(text)) return Number(text);
  const name = /^"(\w+)"$/.exec(text)?.[1]?.toLowerCase();
  const number = name === undefined ? -1 : NUMBERED.indexOf(name);
  if (number < 0) throw new JsonError('a method is a known name or a number');
  return number;
}

class CommandReader extends JsonReader {
  /** All are read before the first is run: a malformed request does nothing rather than a part. */
  commands(): Command[] {
    const found: Command[] = [];
    for (this.space(); this.pos < this.limit; this.space()) {
      const command: Command = { id: 0, method: 0, params: undefined };
      this.object(command, fields);
      found.push(command);
    }
    this.end();
    return found;
  }
}

/** @throws JsonError on malformed commands; malformed params are one command's 107. */
export function legacy(body: Buffer, deps: ApiDeps, end: (response: HttpResponse) => void): HttpResponse | undefined {
  if (body.length === 0) return badRequest;
  const commands = new CommandReader(body).commands();
  const asked = commands.map(({ method }) => methods.find(({ name }) => name === NUMBERED[method]));
  const replies: Reply[] = new Array(commands.length);
  startInOrder(
    commands.length,
    MAX_CALLS_IN_FLIGHT,
    (i) => mayOverlap(asked[i - 1], asked[i]),
    (i, finished) =>
      run(asked[i], commands[i]!, deps, (error, result) => {
        replies[i] = { id: commands[i]!.id, method: asked[i], error, result };
        finished();
      }),
    () => end(json((w) => writeReplies(w, replies))),
  );
  return undefined;
}

function run(
  method: AnyMethod | undefined,
  { params }: Command,
  deps: ApiDeps,
  end: (error: ApiError | null, result: object | undefined) => void,
): void {
  const request = method && readParams(method, params);
  if (method === undefined) end(apiErrors.notFound, undefined);
  else if (request === undefined) end(apiErrors.badRequest, undefined);
  else call(method, request, deps, end);
}

/** `info` is the one method that does without. */
function readParams(method: AnyMethod, params: Buffer | undefined): object | undefined {
  if (method.name === 'info') return {};
  if (params === undefined) return undefined;
  try {
    return method.request.read(new JsonReader(params));
  } catch (error) {
    if (error instanceof JsonError) return undefined;
    throw error;
  }
}

function writeReplies(w: JsonWriter, replies: readonly Reply[]): void {
  replies.forEach(({ id, method, error, result }, i) => {
    if (i > 0) w.ascii('\n');
    w.open();
    w.numberField('id', id);
    if (error !== null) {
      w.key('error');
      writeError(w, error);
    } else {
      w.key('result');
      w.open();
      method!.write(w, result!);
      w.close();
    }
    w.close();
  });
}
