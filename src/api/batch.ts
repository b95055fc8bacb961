import { startInOrder } from '../lib/in-order.js';
import { JsonFields } from '../protocol/json-reader.js';
import { type ApiError, apiErrors } from './errors.js';
import { type AnyMethod, call, type Method, readRequest, writeOutcome } from './method.js';
import { mayOverlap, methods } from './methods.js';

const MAX_CALLS_IN_FLIGHT = 1024;

/** Requests by method name; the first in the order of `methods` counts. `null` in a batch is undefined here. */
type Command = Record<string, object | undefined> | undefined;

export interface BatchRequest {
  commands: Command[];
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

const commandFields = new JsonFields<NonNullable<Command>>(
  Object.fromEntries(methods.map((method) => [method.name, (r) => (r.isNull() ? undefined : method.read(r))])),
);

const fields = new JsonFields<BatchRequest>({
  commands: (r) => r.array((command) => command.object<NonNullable<Command>>({}, commandFields)) ?? [],
  parallel: (r) => r.boolean(),
});

/** Commands run one after the other, or all at once if `parallel`. One that fails does not stop the others. */
export const batch: Method<BatchRequest, BatchResult> = {
  name: 'batch',
  read: (reader) => readRequest(reader, { commands: [], parallel: false }, fields),

  run({ commands, parallel }, deps, done) {
    const asked = commands.map((command) => methods.find((method) => command?.[method.name] !== undefined));
    const replies: Outcome[] = new Array(commands.length);
    startInOrder(
      commands.length,
      MAX_CALLS_IN_FLIGHT,
      (i) => parallel || mayOverlap(asked[i - 1], asked[i]),
      (i, finished) => {
        const method = asked[i];
        const end = (error: ApiError | null, result: object | undefined): void => {
          replies[i] = { method, error, result };
          finished();
        };
        if (commands[i] === undefined) end(apiErrors.badRequest, undefined);
        else if (method === undefined) end(apiErrors.notFound, undefined);
        else call(method, commands[i][method.name]!, deps, end);
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
      writeOutcome(w, method?.name ?? '', error, () => method!.write(w, result!));
    }
    w.ascii(']');
  },
};
