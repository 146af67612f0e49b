import type { SweepReport, SweepRow } from './sweep.js';

const BAR = 40;

/** A sweep as a table and a curve of horizontal bars, for a terminal. Pure. */
export function sweepTable(report: SweepReport): string {
  return [...table(report), '', ...curve(report), '', ...notes(report)].join('\n');
}

function table(report: SweepReport): string[] {
  const { key, rows, compared } = report;
  const name = key.replace(/^sheaf\./, '');
  const predicted = rows.some((row) => row.predictedMs !== undefined);
  const stages = compared === 'planned stages';
  const cells = rows.map((row) => [
    row.value,
    ...(predicted ? [row.predictedMs === undefined ? '-' : seconds(row.predictedMs)] : []),
    seconds(row.measured.median),
    `${seconds(row.measured.min)}-${seconds(row.measured.max)}`,
    Number.isFinite(row.ratio) ? row.ratio.toFixed(2) : '-',
    ...(stages ? [seconds(row.job.median)] : []),
    marks(report, row).join(', '),
  ]);
  const head = [
    ...[name, ...(predicted ? ['predicted s'] : []), stages ? 'measured s' : 'job s', 'min-max', 'ratio'],
    ...[...(stages ? ['job s'] : []), ''],
  ];
  const lines = [head, ...cells];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) =>
    line
      .map((cell, column) => (column === line.length - 1 ? cell : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}

function curve({ rows, compared }: SweepReport): string[] {
  const longest = Math.max(...rows.flatMap(({ measured, predictedMs }) => [measured.median, predictedMs ?? 0]));
  const scale = (ms: number) => Math.max(1, Math.round((ms / (longest || 1)) * BAR));
  const width = Math.max(...rows.map(({ value }) => value.length));
  const predicted = rows.some(({ predictedMs }) => predictedMs !== undefined);
  const bars = rows.map(({ value, measured, predictedMs }) => {
    const bar = [...'█'.repeat(scale(measured.median)).padEnd(BAR)];
    if (predictedMs !== undefined) bar[scale(predictedMs) - 1] = '│';
    return `${value.padStart(width)} ${bar.join('').trimEnd()}`;
  });
  return [`time of the ${compared}${predicted ? ' (│ predicted)' : ''}`, ...bars];
}

function marks({ best, knee, model }: SweepReport, { value, partitions }: SweepRow): string[] {
  return [
    ...(value === best ? ['best'] : []),
    ...(value === knee ? ['knee'] : []),
    ...(model !== undefined && partitions === model ? ["the model's choice"] : []),
    ...(partitions !== undefined && /^\d+$/.test(value) && Number(value) !== partitions ? [`made ${partitions}`] : []),
  ];
}

/** Equal runs that differ more than this were not alone on the machine. */
const UNSTEADY = 1.3;

function notes({ key, best, knee, model, error, rows }: SweepReport): string[] {
  const unsteady = Math.max(...rows.map(({ measured }) => (measured.min > 0 ? measured.max / measured.min : 1)));
  const chosen = rows.find(({ partitions }) => partitions === model);
  return [
    `best: ${key}=${best}${knee === best ? '' : `; from ${knee} on nothing more than 5 % is won`}`,
    ...(model === undefined
      ? []
      : [
          chosen && Number.isFinite(chosen.ratio)
            ? `the model chooses ${model}: ${((chosen.ratio - 1) * 100).toFixed(0)} % above the best`
            : `the model chooses ${model}${chosen ? '' : ', which was not swept'}`,
        ]),
    ...(error ? [`predictions are ${percent(error.median)} off (median; at worst ${percent(error.max)})`] : []),
    ...(unsteady > UNSTEADY
      ? [
          `equal runs differ up to ${unsteady.toFixed(1)} times: is the machine busy with other work? then trust little of this`,
        ]
      : []),
  ];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}
