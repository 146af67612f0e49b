import { isDeepStrictEqual } from 'node:util';
import type { NumericalPlan } from '../numerical-plan.js';

/** What users know parts of a plan by, where it is not their own name; a part without a name is nothing of its own. */
const NAMES: Readonly<Record<string, string>> = {
  rows: 'training rows',
  batch: 'batchSize',
  lossFunction: 'loss function (hash)',
  warmStart: 'weights of warmStart (hash)',
  local: 'localSteps or elastic',
  adaptive: 'growing batch',
  'network.inputs': 'features',
  update: '',
  network: '',
};
/** Follow from others. */
const DERIVED: ReadonlySet<string> = new Set(['stepsPerEpoch', 'hash']);
const HASH = /^[0-9a-f]{64}$/;

/**
 * How two plans differ, part by part, in the names of options. Pure.
 * @example planDifferences(plan, later) // ['epochs 3 became 5', 'hidden[0].units 16 became 32']
 */
export function planDifferences(before: NumericalPlan, now: NumericalPlan): string[] {
  return differences(before, now, '', '');
}

function differences(before: unknown, now: unknown, path: string, name: string): string[] {
  if (isDeepStrictEqual(before, now)) return [];
  if (!isComposed(before) || !isComposed(now) || isOfAnotherKind(before, now))
    return [`${name} ${shown(before)} became ${shown(now)}`];
  const keys = Object.keys({ ...before, ...now }).filter((key) => path !== '' || !DERIVED.has(key));
  return keys.flatMap((key) => {
    const at = path === '' ? key : `${path}.${key}`;
    const own = Array.isArray(before) ? `${name}[${key}]` : (NAMES[at] ?? (name === '' ? key : `${name}.${key}`));
    return differences((before as Parts)[key], (now as Parts)[key], at, own);
  });
}

type Parts = Readonly<Record<string, unknown>>;

const isComposed = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Lists of other lengths, optimizers of other kinds: better shown whole. */
function isOfAnotherKind(before: object, now: object): boolean {
  if (Array.isArray(before) || Array.isArray(now)) return (before as unknown[]).length !== (now as unknown[]).length;
  return (before as Parts).kind !== (now as Parts).kind;
}

function shown(value: unknown): string {
  if (typeof value === 'string' && HASH.test(value)) return value.slice(0, 8);
  return JSON.stringify(value) ?? 'absent';
}
