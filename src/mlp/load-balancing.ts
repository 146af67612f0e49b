import { assignShards, type ShardRange } from '../ps/assign-shards.js';
import type { SlotKey } from '../scheduler/task-set.js';
import type { StepTimes } from './round-times.js';

/** A slot that takes part, with the gradient shards that it computes. */
export interface Load {
  readonly slot: SlotKey;
  readonly range: ShardRange;
}

/** In any unit; a slot that is not among them counts as one in the middle of those that are. */
export type Speeds = ReadonlyMap<SlotKey, number>;

/** What a new deal must save of a step: less would be moving shards for what may be chance. */
const LEAST_SHARE = 0.15;
/** What it must save in the steps that are left, in times of what it costs: they may turn out to be fewer, or as slow as before. */
const LEAST_RETURN = 2;
/** Speeds are powers of it: such as differ by less are equal, which leaves shards where they are, and subtrees whole. */
const GRID = 1.1;

/**
 * Deals G gradient shards to slots, each at least one; where slots are more than shards, to the fastest.
 *
 * @param slots in the order in which their ranges are to lie
 * @param held by them now
 * @example dealShards(8, ['a#0', 'a#1'], new Map([['a#0', 3], ['a#1', 1]])) // a#0: 0 … 5, a#1: 6 and 7
 */
export function dealShards(
  G: number,
  slots: readonly SlotKey[],
  speeds: Speeds = new Map(),
  held: readonly Load[] = [],
): Load[] {
  const speedOf = speedsOf(slots, speeds);
  const fastest = new Set(slots.toSorted((a, b) => speedOf(b) - speedOf(a)).slice(0, G));
  const chosen = slots.filter((slot) => fastest.has(slot));
  const ranges = new Map(held.map(({ slot, range }) => [slot, range]));
  const dealt = assignShards(
    G,
    chosen.map(speedOf),
    chosen.map((slot) => ranges.get(slot)),
  );
  return chosen.map((slot, rank) => ({ slot, range: dealt[rank]! }));
}

/** What is known where shards might be dealt anew. */
export interface Situation {
  /** G. */
  readonly shards: number;
  /** That could take part, in the order in which their ranges are to lie. */
  readonly slots: readonly SlotKey[];
  readonly deal: readonly Load[];
  /** Of all members of the deal. */
  readonly times: StepTimes;
  /** Of slots that were members before. */
  readonly speeds: Speeds;
  readonly stepsLeft: number;
  readonly forming: FormingCost;
}

/** What it takes to form a generation, in milliseconds. */
export interface FormingCost {
  /** Of each shard that a slot has to load; slots load side by side. */
  readonly shardMs: number;
  /** Of all else: the state is read, the exchange joined. */
  readonly restMs: number;
}

export interface NewDeal {
  readonly speeds: Speeds;
  readonly deal: readonly Load[];
  readonly reason: string;
}

/**
 * Whether gradient shards should be dealt anew, by measured speed, and how: static load balancing that mends itself, against
 * slots that are slow for good (an older machine, a busy neighbour, a throttled core), as every step waits for the slowest.
 * A slot's time is taken to be proportional to its shards, and what a step takes besides to stay as it is.
 *
 * @returns undefined where it would not pay: it must save 15 % of a step, and over the steps left twice what it costs
 */
export function dealAnew({ shards, slots, deal, times, speeds, stepsLeft, forming }: Situation): NewDeal | undefined {
  if (!deal.every(({ slot }) => slots.includes(slot))) return undefined; // one is lost, and another deal due anyway
  const shardMs = new Map(deal.map(({ slot, range }) => [slot, times.computeMs.get(slot)! / size(range)]));
  const [fastest, slowest] = extremes(shardMs);
  const leastMs = shardMs.get(fastest)!;
  if (!(leastMs > 0)) return undefined;
  const measured = [...shardMs].map(([slot, ms]) => [slot, onGrid(leastMs / ms)] as const);
  const known = new Map([...speeds, ...measured]);
  const next = dealShards(shards, slots, known, deal);

  const speedOf = speedsOf(slots, known);
  const longest = (loads: readonly Load[]) =>
    Math.max(...loads.map(({ slot, range }) => size(range) * (shardMs.get(slot) ?? leastMs / speedOf(slot))));
  const savedMs = longest(deal) - longest(next);
  const { stepMs } = times;
  const formingMs = forming.restMs + forming.shardMs * mostLoaded(next, deal);
  if (savedMs < LEAST_SHARE * stepMs || savedMs * stepsLeft < LEAST_RETURN * formingMs) return undefined;
  const ratio = (shardMs.get(slowest)! / leastMs).toPrecision(2);
  const reason =
    `slot ${slowest} takes ${ratio} times as long a shard as slot ${fastest}; a step about ${short(stepMs - savedMs)} ms ` +
    `instead of ${short(stepMs)}, which saves ${short((savedMs * stepsLeft) / 1000)} s; dealing anew takes about ${short(formingMs / 1000)} s`;
  return { speeds: known, deal: next, reason };
}

/** Shards that some slot has to load, and no slot more. @param held before */
export function mostLoaded(deal: readonly Load[], held: readonly Load[]): number {
  const had = new Map(held.map(({ slot, range }) => [slot, range]));
  return Math.max(...deal.map(({ slot, range }) => size(range) - common(range, had.get(slot))));
}

function speedsOf(slots: readonly SlotKey[], speeds: Speeds): (slot: SlotKey) => number {
  const known = slots.flatMap((slot) => speeds.get(slot) ?? []).sort((a, b) => a - b);
  const usual = known[Math.floor(known.length / 2)] ?? 1;
  return (slot) => speeds.get(slot) ?? usual;
}

function extremes(shardMs: ReadonlyMap<SlotKey, number>): [fastest: SlotKey, slowest: SlotKey] {
  const sorted = [...shardMs].sort(([, a], [, b]) => a - b);
  return [sorted[0]![0], sorted.at(-1)![0]];
}

function common(one: ShardRange, other: ShardRange = { from: 0, to: 0 }): number {
  return Math.max(0, Math.min(one.to, other.to) - Math.max(one.from, other.from));
}

const size = ({ from, to }: ShardRange) => to - from;
const onGrid = (speed: number) => GRID ** Math.round(Math.log(speed) / Math.log(GRID));
/** Two digits, without an exponent. */
const short = (value: number) => String(Number(value.toPrecision(2)));
