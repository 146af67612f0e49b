import { inspect } from 'node:util';
import type { OptimizerSpec } from '../ps/optimizer/optimizer.js';
import type { Schedule, Span } from '../ps/optimizer/schedule.js';
import type { UpdateSpec } from '../ps/optimizer/update-spec.js';
import { AMOUNT, COUNT, checkForms, FLAG, type Form, type Forms, oneOf, POSITIVE, requireOption } from './options.js';

const FRACTION: Form = [(value) => Number.isFinite(value) && value >= 0 && value <= 1, 'a number from 0 to 1'];
/** A decay of a moving average: at 1 it would never move. */
const DECAY: Form = [(value) => Number.isFinite(value) && value >= 0 && value < 1, 'a number of at least 0, below 1'];

/** The forms of every kind's fields. */
type Kinds<T extends { readonly kind: string }> = {
  readonly [K in T['kind']]: Forms<Omit<Extract<T, { kind: K }>, 'kind'>>;
};
const MOMENTS = { learningRate: POSITIVE, beta1: DECAY, beta2: DECAY, epsilon: POSITIVE, amsgrad: FLAG };
const OPTIMIZERS: Kinds<OptimizerSpec> = {
  sgd: { learningRate: POSITIVE, momentum: DECAY, nesterov: FLAG },
  adagrad: { learningRate: POSITIVE, initialAccumulator: AMOUNT, epsilon: POSITIVE },
  rmsprop: { learningRate: POSITIVE, rho: DECAY, momentum: DECAY, epsilon: POSITIVE, centered: FLAG },
  adam: MOMENTS,
  adamw: { ...MOMENTS, weightDecay: AMOUNT },
  'l-bfgs': { memory: COUNT, tolerance: AMOUNT },
};

const SPAN: Form = [isSpan, '{ steps } or { epochs } with a number above 0'];
const WARMUP: Form = [
  (value) => {
    if (
      typeof value !== 'object' ||
      value === null ||
      Object.keys(value).some((key) => key !== 'over' && key !== 'from')
    )
      return false;
    return isSpan(value.over) && (value.from === undefined || FRACTION[0](value.from));
  },
  '{ over: { steps } or { epochs }, from?: a number from 0 to 1 }',
];
const SCHEDULES: Kinds<Schedule> = {
  constant: { warmup: WARMUP },
  step: { every: SPAN, factor: POSITIVE, warmup: WARMUP },
  exponential: { every: SPAN, factor: POSITIVE, warmup: WARMUP },
  piecewise: {
    boundaries: [(value) => Array.isArray(value) && value.every(isSpan), 'an array of { steps } or { epochs }'],
    factors: [(value) => Array.isArray(value) && value.every(AMOUNT[0]), 'an array of numbers of at least 0'],
    warmup: WARMUP,
  },
  cosine: { over: SPAN, final: FRACTION, warmup: WARMUP },
  polynomial: { over: SPAN, power: POSITIVE, final: FRACTION, warmup: WARMUP },
  'one-cycle': { over: SPAN, rise: FRACTION, startDivisor: POSITIVE, finalDivisor: POSITIVE },
};
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  step: ['every'],
  exponential: ['every', 'factor'],
  piecewise: ['boundaries', 'factors'],
  cosine: ['over'],
  polynomial: ['over'],
  'one-cycle': ['over'],
};

const OBJECT: Form = [(value) => typeof value === 'object' && value !== null, 'an object'];
const UPDATE: Forms<UpdateSpec> = {
  optimizer: OBJECT,
  schedule: OBJECT,
  batchScaling: OBJECT,
  clipValue: POSITIVE,
  clipNorm: POSITIVE,
  l1: AMOUNT,
  l2: AMOUNT,
  weightDecay: AMOUNT,
};

/**
 * Before any data is read.
 *
 * @param owner for messages: `MLPClassifier`
 * @throws TypeError naming what is not known, missing, of a bad value, or excludes another
 * @example checkUpdate('MLPClassifier', { optimizer: { kind: 'adam', learningRate: 1e-3 }, clipNorm: 1 })
 */
export function checkUpdate(owner: string, update: UpdateSpec): UpdateSpec {
  checkForms(owner, update, UPDATE);
  requireOption(owner, update, 'optimizer');
  const { optimizer, schedule, batchScaling } = update;
  checkOptimizer(owner, optimizer);
  if (schedule) checkSchedule(owner, schedule);
  if (batchScaling) {
    const forms = { rule: oneOf('linear', 'sqrt'), batchSize: COUNT, baseBatchSize: COUNT };
    checkForms(`${owner}: batchScaling`, batchScaling, forms);
    for (const name of ['rule', 'batchSize', 'baseBatchSize'] as const)
      requireOption(`${owner}: batchScaling`, batchScaling, name);
  }
  if (update.clipValue !== undefined && update.clipNorm !== undefined)
    throw new TypeError(`${owner}: clipValue and clipNorm exclude each other; give one of them`);
  if (optimizer.kind === 'adamw' && optimizer.weightDecay !== undefined && update.weightDecay !== undefined)
    throw new TypeError(`${owner}: weightDecay is given twice, in the optimizer and beside it`);
  if (optimizer.kind === 'l-bfgs') {
    const useless = (['schedule', 'batchScaling', 'clipValue', 'clipNorm', 'l1', 'weightDecay'] as const).filter(
      (name) => update[name] !== undefined,
    );
    if (useless.length > 0)
      throw new TypeError(`${owner}: l-bfgs searches its own step on a smooth loss and takes no ${useless.join(', ')}`);
  }
  return update;
}

/** @throws TypeError */
export function checkOptimizer(owner: string, optimizer: OptimizerSpec): OptimizerSpec {
  checkKind(`${owner}: optimizer`, optimizer, OPTIMIZERS);
  if (optimizer.kind !== 'l-bfgs') requireOption(`${owner}: optimizer ${optimizer.kind}`, optimizer, 'learningRate');
  if (optimizer.kind === 'sgd' && optimizer.nesterov && !optimizer.momentum)
    throw new TypeError(`${owner}: nesterov needs a momentum above 0`);
  return optimizer;
}

/** @throws TypeError */
export function checkSchedule(owner: string, schedule: Schedule): Schedule {
  checkKind(`${owner}: schedule`, schedule, SCHEDULES);
  for (const name of NEEDED[schedule.kind] ?? [])
    requireOption(`${owner}: schedule ${schedule.kind}`, schedule, name as keyof Schedule);
  if (
    (schedule.kind === 'cosine' || schedule.kind === 'polynomial') &&
    endsBefore(schedule.over, schedule.warmup?.over)
  )
    throw new TypeError(
      `${owner}: schedule ${schedule.kind} ends, ${inspect(schedule.over)}, before its warm-up does, ${inspect(schedule.warmup!.over)}; over counts from the training's first step`,
    );
  if (schedule.kind === 'piecewise' && schedule.factors.length !== schedule.boundaries.length + 1)
    throw new TypeError(
      `${owner}: a piecewise schedule has one factor more than boundaries, not ${schedule.factors.length} and ${schedule.boundaries.length}`,
    );
  return schedule;
}

function checkKind(what: string, value: { readonly kind: string }, kinds: Readonly<Record<string, Forms<any>>>): void {
  const kind = value?.kind;
  if (!Object.hasOwn(kinds, kind))
    throw new TypeError(`${what} must have a kind, ${oneOf(...Object.keys(kinds))[1]}, not ${inspect(kind)}`);
  const { kind: _, ...rest } = value;
  checkForms(`${what} ${kind}`, rest, kinds[kind]!);
}

/** As far as spans of one unit tell. */
function endsBefore(end: Span, other: Span | undefined): boolean {
  if (!other) return false;
  const [[unit, length]] = Object.entries(end) as [[string, number]];
  return unit in other && (other as Readonly<Record<string, number>>)[unit]! > length;
}

function isSpan(value: any): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const [[unit, length] = [], ...more] = Object.entries(value);
  return (unit === 'steps' || unit === 'epochs') && POSITIVE[0](length) && more.length === 0;
}
