import { type Interval, interval } from '../common/statistics.js';
import { type Case, flopPerRow } from './cases.js';
import type { Cell, Row, Table } from './measure.js';
import type { Fit } from './peers/fits.js';
import type { Peer } from './peers.js';

/** Rows a second in all epochs of a fit but the first. */
export function warmRate({ rows }: Case, { epochSeconds }: Fit): number {
  const warm = epochSeconds.slice(1);
  return (rows * warm.length) / warm.reduce((a, b) => a + b, 0);
}

/** Rows a second over the whole fit, with all that it does beside its epochs. */
export function wholeRate({ rows }: Case, { seconds, epochSeconds }: Fit): number {
  return (rows * epochSeconds.length) / seconds;
}

export const known = (cell: Cell | undefined): Fit[] => (cell?.fits ?? []).filter((fit) => fit !== undefined);

export const intervalOf = (values: readonly number[]): Interval | undefined =>
  values.length > 0 ? interval(values) : undefined;

/** What others are compared with: of the forms of Sheaf on as many cores the first that has done the case. */
export function oursOn(cores: number, row: Row): Peer | undefined {
  return [...row.cells].find(([peer, cell]) => peer.sheaf && peer.cores === cores && known(cell).length > 0)?.[0];
}

/** Warm rows a second of the one over the other's, in each round that both have. */
export function ratioOf(each: Case, row: Row, ours: Peer, theirs: Peer): Interval | undefined {
  const [a, b] = [row.cells.get(ours), row.cells.get(theirs)];
  const both = (a?.fits ?? []).flatMap((fit, round) => {
    const other = b?.fits[round];
    return fit && other ? [warmRate(each, fit) / warmRate(each, other)] : [];
  });
  return intervalOf(both);
}

/** Share of what as many cores can do at most, in each round. */
export function shareOfPeak(each: Case, row: Row, peer: Peer): Interval | undefined {
  const peaks = row.peaks.get(peer.cores) ?? [];
  const shares = (row.cells.get(peer)?.fits ?? []).flatMap((fit, round) => {
    const most = peaks[round];
    return fit && most ? [gflops(each, warmRate(each, fit)) / most] : [];
  });
  return intervalOf(shares);
}

export const gflops = ({ widths }: Case, rowsPerSecond: number) => (rowsPerSecond * flopPerRow(widths)) / 1e9;

/** Losses of the last epoch differ by shuffles and initial weights; more than this, and somebody computes something else. */
const TOLERANCE = 0.15;

/** Peers of the same steps whose last mean loss is off the median of all of them. */
export function strayLosses(row: Row): { peer: Peer; loss: number; median: number }[] {
  const last = [...row.cells].flatMap(([peer, cell]) => {
    const loss = known(cell).at(-1)?.losses.at(-1);
    return peer.sameSteps && loss !== undefined ? [{ peer, loss }] : [];
  });
  if (last.length < 2) return [];
  const { median } = interval(last.map(({ loss }) => loss));
  return last
    .filter(({ loss }) => !(Math.abs(loss - median) <= TOLERANCE * median))
    .map((each) => ({ ...each, median }));
}

/** Everything, for `--json`. */
export function allFigures(table: Table) {
  return [...table].map(([each, row]) => ({
    ...each,
    flopPerRow: flopPerRow(each.widths),
    peakGflops: Object.fromEntries(row.peaks),
    peers: Object.fromEntries(
      [...row.cells].map(([peer, cell]) => [
        peer.id,
        {
          ...cell,
          warmRowsPerSecond: intervalOf(known(cell).map((fit) => warmRate(each, fit))),
          wholeRowsPerSecond: intervalOf(known(cell).map((fit) => wholeRate(each, fit))),
          shareOfPeak: shareOfPeak(each, row, peer),
          sheafOverPeer: Object.fromEntries(
            peer.beside.flatMap((cores) => {
              const ours = oursOn(cores, row);
              return ours ? [[ours.id, ratioOf(each, row, ours, peer)]] : [];
            }),
          ),
        },
      ]),
    ),
  }));
}
