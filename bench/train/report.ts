import { section, spread } from '../common/markdown.js';
import { type Case, flopPerRow, type Race } from './cases.js';
import {
  gflops,
  intervalOf,
  known,
  oursOn,
  ratioOf,
  shareOfPeak,
  strayLosses,
  warmRate,
  wholeRate,
} from './figures.js';
import type { Finishes, Row, Table } from './measure.js';
import type { Peer } from './peers.js';

/** Tables in Markdown, one a case, and what was left out or looks wrong. */
export function report(table: Table, peers: readonly Peer[]): string {
  const cases = [...table].map(([each, row]) => [caseTable(each, row, peers), scaling(each, row, peers)].join('\n'));
  return [...cases, remarks(table)]
    .map((text) => text.trim())
    .filter(Boolean)
    .join('\n\n');
}

function caseTable(each: Case, row: Row, peers: readonly Peer[]): string {
  const sheaves = ([1, 2] as const).flatMap((cores) => oursOn(cores, row) ?? []);
  const lines = peers.flatMap((peer) => {
    const cell = row.cells.get(peer)!;
    const fits = known(cell);
    if (fits.length === 0) return [];
    const warm = intervalOf(fits.map((fit) => warmRate(each, fit)))!;
    const whole = intervalOf(fits.map((fit) => wholeRate(each, fit)))!;
    return [
      [
        peer.title,
        spread(warm, thousands),
        ...sheaves.map((ours) =>
          peer.beside.includes(ours.cores) ? spread(ratioOf(each, row, ours, peer), ratio) : '',
        ),
        gflops(each, warm.median).toFixed(0),
        spread(shareOfPeak(each, row, peer), percent),
        thousands(whole.median),
        cell.first ? cell.first.seconds.toFixed(1) : '',
        ((1e3 * intervalOf(cell.processorMs)!.median) / (each.rows * fits[0]!.epochSeconds.length)).toFixed(1),
        fits.at(-1)!.losses.at(-1)?.toFixed(4) ?? '',
      ],
    ];
  });
  const peaks = [...row.peaks].flatMap(([cores, values]) => {
    const most = intervalOf(values);
    return most ? [`${cores} core${cores > 1 ? 's' : ''} ${spread(most, (value) => value.toFixed(0))}`] : [];
  });
  const title = [
    `**${each.title}**: ${each.epochs} epochs of ${each.rows} rows, ${(flopPerRow(each.widths) / 1e6).toFixed(2)} MFLOP a row`,
    ...(peaks.length > 0 ? [`${each.precision} peak, GFLOP/s: ${peaks.join(', ')}`] : []),
  ];
  const head = [
    'peer',
    'warm rows/s',
    ...sheaves.map(({ title }) => `${title} / peer`),
    'GFLOP/s',
    'of the peak',
    'rows/s of a whole fit',
    'first fit, s',
    'processor µs a row',
    'last loss',
  ];
  return section(`${title.join('; ')}`, head, lines);
}

/** From one slot to two, round by round. */
function scaling(each: Case, row: Row, peers: readonly Peer[]): string {
  const one = oursOn(1, row);
  if (!one) return '';
  const lines = peers.flatMap((two) => {
    if (!two.sheaf || two.cores === 1) return [];
    const times = ratioOf(each, row, two, one);
    return times ? [`${two.title} / ${one.title}: ${spread(times, ratio)}`] : [];
  });
  return lines.length > 0 ? `\n${lines.join('; ')}` : '';
}

/** Seconds of training until the target is reached. */
export function raceReport(race: Race, finishes: Finishes): string {
  const lines = [...finishes].map(([peer, done]) => {
    const reached = done.filter((finish) => 'seconds' in finish);
    const skipped = done.find((finish) => 'skipped' in finish);
    const seconds = intervalOf(reached.map((finish) => finish.seconds));
    const last = reached.at(-1);
    return skipped
      ? [peer.title, 'not reached', '', skipped.skipped]
      : [peer.title, spread(seconds, (s) => s.toFixed(2)), String(last?.epochs ?? ''), last?.accuracy.toFixed(4) ?? ''];
  });
  const { widths, batch, optimizer } = race.case;
  const title = `**To ${100 * race.target} % of the test data**: ${widths.join('-')}, batch ${batch}, ${optimizer.kind} ${optimizer.learningRate}`;
  return section(title, ['peer', 'seconds', 'epochs', 'accuracy'], lines);
}

function remarks(table: Table): string {
  const lines = [...table].flatMap(([each, row]) => [
    ...[...row.cells].flatMap(([peer, { failure, skipped }]) => [
      ...(failure ? [`- ${each.id}, ${peer.title}: failed: ${failure}`] : []),
      ...(skipped ? [`- ${each.id}, ${peer.title}: skipped: ${skipped}`] : []),
    ]),
    ...strayLosses(row).map(
      ({ peer, loss, median }) =>
        `- ${each.id}, ${peer.title}: its loss is ${loss.toFixed(4)}, the median of all ${median.toFixed(4)}`,
    ),
  ]);
  return lines.length > 0 ? `Left out, or off:\n${lines.join('\n')}` : '';
}

const thousands = (value: number) => `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)}k`;
const ratio = (value: number) => value.toFixed(2);
const percent = (value: number) => `${(100 * value).toFixed(0)} %`;
