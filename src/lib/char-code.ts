const { call } = Function.prototype;
const { charCodeAt } = String.prototype;

/**
 * `text.charCodeAt(i)` for loops over texts of all origins. Strings come in many inner forms (internal, sliced, joined, …),
 * and once V8 has seen several at one place, looking up the method there costs more than the call: 15 characters take 210
 * instead of 43 ns. Take `text.length` before the loop for the same reason.
 */
export const charCode: (text: string, i: number) => number = call.bind(charCodeAt) as (
  text: string,
  i: number,
) => number;
