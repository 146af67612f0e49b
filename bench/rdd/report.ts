import { section, spread } from '../common/markdown.js';
import { type Interval, interval, meanOverFamilies } from '../common/statistics.js';
import type { Case } from './cases.js';
import type { Table } from './measure.js';
import type { Peer } from './peers.js';

/** The tables, in Markdown: times, ratios, processor time, peak memory and, where there was any, spilled bytes. */
export function report(table: Table, peers: readonly Peer[]): string {
  const cases = [...table.keys()];
  const rows = (value: (each: Case, peer: Peer) => string, columns: readonly Peer[] = peers) =>
    cases.map((each) => [each.title, ...columns.map((peer) => value(each, peer))]);
  const cell = (each: Case, peer: Peer) => table.get(each)!.get(peer);

  const times = rows((each, peer) => {
    const { ms, failure } = cell(each, peer) ?? {};
    return failure ? 'failed' : ms?.length ? spread(interval(ms), ms1) : '';
  });
  const processor = rows((each, peer) => {
    const { processorMs, failure } = cell(each, peer) ?? {};
    return processorMs?.length && !failure ? ms1(interval(processorMs).median) : '';
  });
  const compared = peers.filter(({ beside }) => peers.some(({ id }) => id === beside));
  const ratios = rows((each, peer) => spread(ratioInterval(table, each, peer, peers), ratio2), compared);
  ratios.push(['**geometric mean**', ...compared.map((peer) => spread(meanRatio(table, peer, peers), ratio2))]);
  const memory = rows((each, peer) => megabytes(cell(each, peer)?.peakBytes));
  const peaks = peers.map((peer) => Math.max(0, ...cases.map((each) => cell(each, peer)?.peakBytes ?? 0)));
  memory.push(['**most**', ...peaks.map((bytes) => megabytes(bytes || undefined))]);

  const titles = peers.map(({ title }) => title);
  const sections = [
    section('Milliseconds a job: median [least, most]', ['case', ...titles], times),
    section(
      'Sheaf / peer, round by round: median [least, most]; below 1 Sheaf is faster',
      ['case', ...compared.map(({ title }) => title)],
      compared.length > 0 ? ratios : [],
    ),
    section('Processor time a job, all processes together, ms: median', ['case', ...titles], processor),
    section('Peak memory of all of a peer’s processes (PSS and files in /dev/shm), MB', ['case', ...titles], memory),
    spilled(table, peers),
    failures(table),
  ];
  return sections.filter((text) => text !== '').join('\n\n');
}

/** A ratio for each round that both have: a run that was interrupted ends between them. */
function ratiosOf(table: Table, each: Case, peer: Peer, peers: readonly Peer[]): number[] {
  const cells = table.get(each)!;
  const theirs = cells.get(peer);
  const ours = cells.get(peers.find(({ id }) => id === peer.beside)!);
  if (!ours || !theirs || ours.failure || theirs.failure) return [];
  const rounds = Math.min(ours.ms.length, theirs.ms.length);
  return ours.ms.slice(0, rounds).map((ms, round) => ms / theirs.ms[round]!);
}

export function ratioInterval(table: Table, each: Case, peer: Peer, peers: readonly Peer[]): Interval | undefined {
  const ratios = ratiosOf(table, each, peer, peers);
  return ratios.length > 0 ? interval(ratios) : undefined;
}

/** Over the cases that both have, the mean of each round. */
export function meanRatio(table: Table, peer: Peer, peers: readonly Peer[]): Interval | undefined {
  const known = [...table.keys()]
    .map((each) => ({ family: each.family, ratios: ratiosOf(table, each, peer, peers) }))
    .filter(({ ratios }) => ratios.length > 0);
  if (known.length === 0) return undefined;
  const rounds = Math.min(...known.map(({ ratios }) => ratios.length));
  const means = Array.from({ length: rounds }, (_, round) =>
    meanOverFamilies(known.map(({ family, ratios }) => ({ family, ratio: ratios[round]! }))),
  );
  return interval(means);
}

function spilled(table: Table, peers: readonly Peer[]): string {
  const found = [...table].flatMap(([each, cells]) =>
    peers.flatMap((peer) => {
      const bytes = cells.get(peer)?.spilledBytes ?? 0;
      return bytes > 0 ? [`${each.id}, ${peer.title}: ${megabytes(bytes)} MB`] : [];
    }),
  );
  const measures = peers.some(({ id }) => id.startsWith('sheaf'));
  return measures ? `Spilled by Sheaf in a run: ${found.length > 0 ? found.join('; ') : 'nothing'}.` : '';
}

function failures(table: Table): string {
  const lines = [...table].flatMap(([each, cells]) =>
    [...cells].flatMap(([peer, { failure }]) => (failure ? [`- ${each.id}, ${peer.title}: ${failure}`] : [])),
  );
  return lines.length > 0 ? `Failed:\n${lines.join('\n')}` : '';
}

const ms1 = (ms: number) => ms.toFixed(ms < 100 ? 1 : 0);
const ratio2 = (ratio: number) => ratio.toFixed(ratio < 0.1 ? 3 : 2);
const megabytes = (bytes: number | undefined) => (bytes === undefined ? '' : (bytes / 1e6).toFixed(0));
