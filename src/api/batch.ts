import { startInOrder } from '../lib/in-order.js';
import { Chosen, JsonChoice } from '../protocol/json-fields.js';
import { type ApiError, apiErrors } from './errors.js';
import { boolean, list, named, optional, type Shape, shape } from './fields.js';
import { type AnyMethod, call, type Method, outcome, schemaName, writeNothing, writeOutcome } from './method.js';
import { mayOverlap, methods } from './methods.js';

const MAX_CALLS_IN_FLIGHT = 1024;

export interface Command {
  /** undefined: there is none of that name. */
  readonly method: AnyMethod | undefined;
  readonly request: object | undefined;
}

export interface BatchRequest {
  /** undefined for `null`. */
  commands: (Command | undefined)[];
  parallel: boolean;
}

interface Outcome {
  method: AnyMethod | undefined;
  error: ApiError | null;
  result: object | undefined;
}

/** In the order of the commands. */
export interface BatchResult {
  replies: Outcome[];
}

const fieldsOf = <T>(of: (method: AnyMethod) => T): Record<string, T> =>
  Object.fromEntries(methods.map((method) => [method.name, of(method)]));

/** By method name. Of several the first in the order of `methods` counts. */
const requests = fieldsOf((method) => optional(named(schemaName(method, 'Request'), method.request), ''));
const choices = new JsonChoice(fieldsOf(({ name }) => requests[name]!.read));
const command: Shape<Command> = {
  read(reader) {
    const { field, value } = reader.object(new Chosen<object>(), choices)!;
    return { method: methods[field], request: value };
  },
  schema: shape(requests).schema,
};
const reply = outcome(fieldsOf((method) => optional(named(schemaName(method, 'Result'), method.result), '')));

/** Commands run one after the other, or all at once if `parallel`. One that fails does not stop the others. */
export const batch: Method<BatchRequest, BatchResult> = {
  name: 'batch',
  about: {
    tag: 'Server',
    summary: 'Call several methods',
    description: 'A command is an object with one key, the name of the method. So is its reply, if it has no error.',
    example: { commands: [{ publish: { channel: 'news', data: 1 } }, { presence_stats: { channel: 'news' } }] },
  },
  request: shape({
    commands: list(optional(command, 'A request by the name of its method.'), 'What to call.'),
    parallel: boolean('Starts all commands at once instead of one after the other.'),
  }),
  result: shape({ replies: list(reply, 'One for each command, in their order.') }),

  run({ commands, parallel }, deps, done) {
    const asked = commands.map((command) => command?.method);
    const replies: Outcome[] = new Array(commands.length);
    startInOrder(
      commands.length,
      MAX_CALLS_IN_FLIGHT,
      (i) => parallel || mayOverlap(asked[i - 1], asked[i]),
      (i, finished) => {
        const method = asked[i];
        const command = commands[i];
        // What was read of it is not kept until all have ended, for every collection of garbage to copy.
        commands[i] = undefined;
        const end = (error: ApiError | null, result: object | undefined): void => {
          replies[i] = { method, error, result };
          finished();
        };
        if (command === undefined) end(apiErrors.badRequest, undefined);
        else if (method === undefined) end(apiErrors.notFound, undefined);
        else call(method, command.request!, deps, end);
      },
      () => done(null, { replies }),
    );
  },

  write(w, { replies }) {
    if (replies.length === 0) return;
    w.key('replies');
    w.ascii('[');
    for (const { method, error, result } of replies) {
      w.comma();
      writeOutcome(w, method?.name ?? '', error, method?.write ?? writeNothing, result);
    }
    w.ascii(']');
  },
};
