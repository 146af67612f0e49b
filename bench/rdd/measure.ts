import { processorMs, watchMemory } from '../common/memory.js';
import type { PeerProcess } from '../common/peer-process.js';
import { type Case, sameCheck } from './cases.js';
import type { Peer } from './peers.js';

/** What one peer did in one case. */
export interface Cell {
  /** Milliseconds a job, by round. */
  readonly ms: number[];
  /** Milliseconds of processor time a job, all processes together, by round. */
  readonly processorMs: number[];
  peakBytes?: number;
  spilledBytes?: number;
  /** Why it was left out from then on. */
  failure?: string;
}

interface Answer {
  readonly ms: number;
  readonly check: readonly number[];
  readonly spilledBytes?: number;
}

export interface Running {
  readonly peer: Peer;
  readonly process: PeerProcess;
}

/** Cells by case and peer; a case that a peer does not take part in has none. */
export type Table = Map<Case, Map<Peer, Cell>>;

/** A table with nothing measured yet. */
export function tableOf(cases: readonly Case[], peers: readonly Peer[]): Table {
  const taking = (each: Case) => peers.filter(({ fits }) => fits?.includes(each.fields[0]!) ?? true);
  const cells = (each: Case) => new Map<Peer, Cell>(taking(each).map((peer) => [peer, { ms: [], processorMs: [] }]));
  return new Map(cases.map((each) => [each, cells(each)]));
}

/**
 * Fills a table: warm-ups, timed rounds, and one round more that is watched for memory and not timed. In a round each case
 * is run by one peer after the other, beginning with another peer each time. A case that fails, or gives another result
 * than the peer that answered first, is left out for its peer from then on.
 */
export async function measure(
  table: Table,
  running: readonly Running[],
  { warmups, rounds, tell }: { warmups: number; rounds: number; tell: (what: string) => void },
): Promise<void> {
  const checks = new Map<Case, readonly number[]>();
  for (let round = -warmups; round <= rounds; round++) {
    const kind = round < 0 ? 'warm-up' : round < rounds ? 'timed' : 'memory';
    tell(`round ${round + warmups + 1} of ${warmups + rounds + 1} (${kind})\n`);
    for (const [each, cells] of table) {
      for (let turn = 0; turn < running.length; turn++) {
        const { peer, process } = running[(turn + round + warmups) % running.length]!;
        const cell = cells.get(peer);
        if (!cell || cell.failure !== undefined) continue;
        tell(`${each.id}, ${peer.id}`);
        try {
          await runOnce(each, process, cell, kind, checks);
        } catch (error) {
          cell.failure = (error as Error).message;
          tell(`${each.id}, ${peer.id} failed: ${cell.failure}\n`);
        }
      }
    }
  }
}

async function runOnce(
  each: Case,
  process: PeerProcess,
  cell: Cell,
  kind: 'warm-up' | 'timed' | 'memory',
  checks: Map<Case, readonly number[]>,
): Promise<void> {
  const peak = kind === 'memory' ? watchMemory(process.pid) : undefined;
  const before = processorMs(process.pid);
  try {
    const { ms, check, spilledBytes } = await process.run<Answer>(each.fields);
    const expected = checks.get(each) ?? check;
    checks.set(each, expected);
    if (!sameCheck(check, expected)) throw new Error(`the result is ${check}, that of the first peer ${expected}`);
    if (kind === 'timed') {
      cell.ms.push(ms / each.jobs);
      cell.processorMs.push((processorMs(process.pid) - before) / each.jobs);
    }
    if (spilledBytes !== undefined) cell.spilledBytes = Math.max(cell.spilledBytes ?? 0, spilledBytes);
  } finally {
    if (peak) cell.peakBytes = peak();
  }
}
