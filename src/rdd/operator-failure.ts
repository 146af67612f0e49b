import { inspect } from 'node:util';
import { FailureError, toFailure } from '../protocol/failure.js';
import { ASYNC_ADVICE, ASYNC_OPERATORS } from './async-operators.js';

/** What a user's function threw, with the operator it was given to: `… (in map at job.ts:12)`. */
export function operatorFailure(thrown: unknown, operator: string): FailureError {
  if (isFailure(thrown)) return new FailureError(thrown.failure);
  if (!(thrown instanceof Error))
    return userError(`a value was thrown that is no Error: ${inspect(thrown, { breakLength: 120 })} (in ${operator})`);
  if (isComplaint(thrown)) return userError(`${thrown.message} (in ${operator})`);
  const failure = toFailure(thrown);
  return new FailureError({ ...failure, message: `${failure.message} (in ${operator})` } as typeof failure);
}

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function';
}

/** A function that is not declared async returned a promise. @throws FailureError always */
export function refusePromise(operator: string): never {
  const [name] = operator.split(' ');
  const advice = ASYNC_OPERATORS.some((each) => each === name)
    ? 'declare it "async"'
    : `it must return its result at once; ${ASYNC_ADVICE}`;
  throw userError(`the function of ${operator} returned a promise: ${advice}`);
}

/** flatMap and mapPartitions take iterables. @throws FailureError always */
export function refuseScalar(operator: string, result: unknown): never {
  const found = inspect(result, { depth: 0, breakLength: 80 });
  throw userError(
    `the function of ${operator} must return an iterable (an array, a generator, a Set, …), it returned ${found}`,
  );
}

/** Key-value operators take pairs. @throws FailureError always */
export function refuseRow(operator: string, row: unknown): never {
  const found = inspect(row, { depth: 1, breakLength: 80 });
  throw userError(`${operator} needs rows of the form [key, value], and got ${found}; keyBy makes such rows`);
}

/** As `userError`, from what does not know for which operator it works: `operatorFailure` adds that, and leaves its stack out. */
export class Complaint extends TypeError {
  readonly complaint = true;
}

/** The engine's functions that are shipped inside others bring copies of these classes: errors are known by what they hold. */
const isComplaint = (thrown: unknown): thrown is Complaint => thrown instanceof TypeError && 'complaint' in thrown;
const isFailure = (thrown: unknown): thrown is FailureError =>
  thrown instanceof Error && thrown.name === 'FailureError' && 'failure' in thrown;

/** Steps whose rows are compared or counted name their operator. */
export async function* complainingAs<T>(rows: AsyncIterable<T>, operator: string): AsyncGenerator<T> {
  try {
    yield* rows;
  } catch (error) {
    throw isComplaint(error) ? operatorFailure(error, operator) : error;
  }
}

/** The engine's own complaint about a user's function: it needs no stack, the message says where. */
export function userError(message: string): FailureError {
  return new FailureError({ kind: 'user-error', name: 'TypeError', message });
}
