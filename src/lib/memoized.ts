/** Remembers the last result, for arguments that come several times in a row. They must not be changed in between. */
export function memoized<A extends object, R>(run: (argument: A) => R): (argument: A) => R {
  let last: A | undefined;
  let result: R;
  return (argument) => {
    if (argument !== last) {
      result = run(argument);
      last = argument;
    }
    return result;
  };
}
