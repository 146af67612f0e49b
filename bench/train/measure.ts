import { processorMs } from '../common/memory.js';
import type { PeerProcess } from '../common/peer-process.js';
import type { Case, Race } from './cases.js';
import type { Files } from './data.js';
import type { Answer, Finish, Fit } from './peers/fits.js';
import type { Peer } from './peers.js';

/** What one peer did in one case. */
export interface Cell {
  /** The very first fit of the process: with all that is compiled, loaded and started once. */
  first?: Fit;
  /** By timed round; absent in rounds that it did not take part in. */
  readonly fits: (Fit | undefined)[];
  /** Milliseconds of processor time of a fit, all processes together, by timed round. */
  readonly processorMs: number[];
  /** Why it takes no part. */
  skipped?: string;
  /** Why it was left out from then on. */
  failure?: string;
}

export interface Row {
  readonly cells: Map<Peer, Cell>;
  /** GFLOP/s at most, by number of cores, then by timed round. */
  readonly peaks: Map<number, number[]>;
}

export type Table = Map<Case, Row>;

export interface Running<P = Peer> {
  readonly peer: P;
  readonly process: PeerProcess;
}

export interface Peak {
  readonly cores: number;
  readonly process: PeerProcess;
}

export function tableOf(cases: readonly Case[], peers: readonly Peer[], cores: readonly number[]): Table {
  const row = (): Row => ({
    cells: new Map(peers.map((peer) => [peer, { fits: [], processorMs: [] }])),
    peaks: new Map(cores.map((count) => [count, []])),
  });
  return new Map(cases.map((each) => [each, row()]));
}

/**
 * Fills a table: a round that is not timed, whose fits are the first of their processes, and the timed ones. In a round each
 * case is done by one peer after the other, beginning with another each time, after the peaks. What fails is left out from
 * then on.
 */
export async function measure(
  table: Table,
  running: readonly Running[],
  peaks: readonly Peak[],
  { rounds, filesOf, tell }: { rounds: number; filesOf: (each: Case) => Files; tell: (what: string) => void },
): Promise<void> {
  for (let round = -1; round < rounds; round++) {
    tell(`round ${round + 2} of ${rounds + 1} (${round < 0 ? 'first fits' : 'timed'})\n`);
    for (const [each, row] of table) {
      for (const { cores, process } of round < 0 ? [] : peaks) {
        const { gflops } = await process.run<{ gflops: number }>(['peak', `{"precision":"${each.precision}"}`]);
        row.peaks.get(cores)!.push(gflops);
      }
      for (let turn = 0; turn < running.length; turn++) {
        const { peer, process } = running[(turn + round + 1) % running.length]!;
        const cell = row.cells.get(peer)!;
        if (cell.skipped !== undefined || cell.failure !== undefined || round >= (peer.rounds ?? rounds)) continue;
        tell(`${each.id}, ${peer.id}`);
        try {
          await runOnce(each, filesOf(each), process, cell, round);
        } catch (error) {
          cell.failure = (error as Error).message;
        }
        const out = cell.failure ?? cell.skipped;
        if (out !== undefined) tell(`${each.id}, ${peer.id}: ${out}\n`);
      }
    }
  }
}

async function runOnce(each: Case, train: Files, process: PeerProcess, cell: Cell, round: number): Promise<void> {
  const before = processorMs(process.pid);
  const fit = await process.run<Answer<Fit>>(['fit', JSON.stringify({ case: each, train })]);
  if ('skipped' in fit) cell.skipped = fit.skipped;
  else if (round < 0) cell.first = fit;
  else {
    cell.fits[round] = fit;
    cell.processorMs.push(processorMs(process.pid) - before);
  }
}

/** Seconds to the target, by peer and turn. */
export type Finishes = Map<Peer, Answer<Finish>[]>;

/** @param times each, taking turns; a first, untimed turn compiles what is compiled once */
export async function runRace(
  race: Race,
  running: readonly Running[],
  finishes: Finishes,
  { times, train, test, tell }: { times: number; train: Files; test: Files; tell: (what: string) => void },
): Promise<void> {
  for (let turn = -1; turn < times; turn++)
    for (const { peer, process } of running) {
      const done = finishes.get(peer) ?? [];
      finishes.set(peer, done);
      if (done.some((finish) => 'skipped' in finish)) continue;
      tell(`to ${100 * race.target} %, ${peer.id}\n`);
      const finish = await process
        .run<Answer<Finish>>(['race', JSON.stringify({ race, train, test })])
        .catch((error: Error) => ({ skipped: error.message }));
      if (turn >= 0 || 'skipped' in finish) done.push(finish);
    }
}
