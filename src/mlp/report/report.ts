import type { ClassMetrics } from '../metrics/confusion.js';
import type { Network } from '../network.js';
import type { NumericalPlan } from '../numerical-plan.js';
import type { TargetSpec } from '../targets.js';
import { shortNumber } from './axis.js';
import type { Curves, Figure, ReportData, Table } from './data.js';
import { MAX_CLASSES } from './heat-map.js';

/** What a report is made from. */
export interface TrainingReport {
  /** Default: what was learnt, by what network. */
  readonly title?: string;
  readonly model: ReportedModel;
  /** Judgement on rows that were not trained on, as `model.evaluate` gives it. */
  readonly evaluation?: ReportedEvaluation;
  /**
   * Reports of epochs, or steps, as callbacks get them: every number in them becomes a curve over `step`, `epoch`, or the
   * place in the list; `loss` and `validationLoss` share a chart. Default: the losses that the model kept.
   */
  readonly history?: readonly object[];
  /** Further facts, by name: times, bytes exchanged, machines. */
  readonly facts?: Readonly<Record<string, string | number>>;
}

export interface ReportedModel {
  readonly network: Network;
  readonly plan: NumericalPlan;
  readonly losses: readonly number[];
  readonly validation?: readonly number[];
  /** Whose weights it has, where these were not trained on to the last. */
  readonly epoch?: number;
  readonly measured?: readonly { readonly batch: number; readonly noiseScale: number | null }[];
  readonly backend: string;
  readonly weightsHash: string;
  readonly theta: { readonly length: number };
  readonly target: TargetSpec;
}

/** Numbers become a table; so do records of numbers in it, as `macro: { precision, … }`. */
export interface ReportedEvaluation {
  readonly classes?: readonly string[];
  /** True class by row, predicted class by column. */
  readonly confusion?: readonly (readonly number[])[];
  readonly perClass?: readonly ClassMetrics[];
}

/** Pure. */
export function reportData({ title, model, evaluation = {}, history, facts = {} }: TrainingReport): ReportData {
  const epochs = history ?? epochsOf(model);
  const { classes, perClass } = evaluation;
  const { target } = model;
  const figures: Figure[] = curvesOf(epochs);
  const tables: Table[] = [];
  // Some measures have two names: `macroF1` is `macro.f1`.
  const metrics = new Map(numbersOf(evaluation));
  if (metrics.size > 0)
    tables.push({ title: 'Evaluation', rows: [...metrics].map(([name, value]) => [name, metric(value)]) });
  // Of many labels, counts are no matrix; of many classes they are not asked for.
  const confusion = target.kind === 'class' && classes && classes.length <= MAX_CLASSES && evaluation.confusion;
  if (confusion) figures.push({ kind: 'confusion', title: 'Confusion matrix', classes, counts: confusion });
  if (classes && perClass) tables.push(classTable(classes, perClass));
  tables.push({ title: 'Training', rows: trainingRows(model, facts) });
  const learnt = target.kind === 'values' ? target.columns.join(', ') : target.column;
  return { title: title ?? `${learnt}: network ${shapeOf(model.network)}`, figures, tables };
}

function epochsOf({ losses, validation, measured }: ReportedModel): object[] {
  return losses.map((loss, k) => ({ epoch: k + 1, loss, validation: validation?.[k], ...measured?.[k] }));
}

/** A chart for every quantity; `validationLoss` is drawn into that of `loss`. */
export function curvesOf(history: readonly object[]): Curves[] {
  const records = history as readonly Readonly<Record<string, unknown>>[];
  const axis = ['step', 'epoch'].find((name) => records.every((record) => typeof record[name] === 'number'));
  const x = axis ?? 'report';
  const names = new Set(
    records.flatMap((record) => Object.keys(record).filter((name) => typeof record[name] === 'number')),
  );
  const charts = new Map<string, Curves & { series: Curves['series'][number][] }>();
  for (const name of names) {
    if (name === 'epoch' || name === 'step') continue;
    const base = /^validation[A-Z]/.test(name) ? name[10]!.toLowerCase() + name.slice(11) : name;
    const points = records.flatMap((record, k) =>
      typeof record[name] === 'number' ? [[axis ? (record[axis] as number) : k + 1, record[name]] as const] : [],
    );
    const chart = charts.get(base) ?? { kind: 'curves', title: words(base), x, series: [] };
    chart.series.push({ name: name === base ? 'training' : 'validation', points });
    charts.set(base, chart);
  }
  return [...charts.values()].map((chart) =>
    chart.series.length === 1 && chart.series[0]!.name === 'validation'
      ? { ...chart, title: `validation ${chart.title}` }
      : chart,
  );
}

function classTable(classes: readonly string[], perClass: readonly ClassMetrics[]): Table {
  const rows = perClass.map(({ precision, recall, f1, support }, k) => [
    classes[k]!,
    ...[precision, recall, f1].map((value) => value.toFixed(3)),
    support.toLocaleString('en'),
  ]);
  return { title: 'Classes', header: ['class', 'precision', 'recall', 'F1', 'rows'], rows };
}

function trainingRows(model: ReportedModel, facts: Readonly<Record<string, string | number>>): string[][] {
  const { network, plan, backend, weightsHash, theta } = model;
  const { optimizer, ...update } = plan.update;
  return [
    ['network', shapeOf(network)],
    ['parameters', theta.length.toLocaleString('en')],
    ['loss', kindOf(network.loss)],
    ['optimizer', kindOf(optimizer)],
    ...given(update),
    ['rows', plan.rows.toLocaleString('en')],
    ['epochs', `${plan.epochs}, of ${plan.stepsPerEpoch} steps of ${plan.batch} rows`],
    ...ended(model),
    ['gradient shards', String(plan.shards)],
    ['seed', String(plan.seed)],
    ['computed by', backend],
    ...Object.entries(facts).map(([name, value]) => [words(name), typeof value === 'number' ? metric(value) : value]),
    ['numerical plan', plan.hash],
    ['weights', weightsHash],
  ];
}

/** What a training did that ended early. */
function ended({ plan, losses, epoch = losses.length }: ReportedModel): string[][] {
  return [
    ...(losses.length < plan.epochs ? [['ended after epoch', losses.length.toLocaleString('en')]] : []),
    ...(epoch < losses.length ? [['weights of epoch', epoch.toLocaleString('en')]] : []),
  ];
}

/** @example kindOf({ kind: 'adam', learningRate: 0.01 }) // 'adam, learning rate 0.01' */
function kindOf(spec: string | { readonly kind: string }): string {
  if (typeof spec === 'string') return spec;
  const { kind, ...settings } = spec;
  return [kind, ...given(settings).map((setting) => setting.join(' '))].join(', ');
}

/** Names and values of what is set, in words. */
function given(settings: object): [string, string][] {
  const set = Object.entries(settings).filter(([, value]) => value !== undefined);
  return set.map(([name, value]) => [words(name), plainly(value)]);
}

/** `784-128-64-10`: inputs, units of dense layers, outputs. */
function shapeOf({ inputs, hidden, outputs }: Network): string {
  return [inputs, ...hidden.flatMap((layer) => ('units' in layer ? [layer.units] : [])), outputs].join('-');
}

/** All numbers of a record and of the records in it, with their names in words. */
function numbersOf(record: object, prefix = ''): [string, number][] {
  return Object.entries(record).flatMap(([name, value]) => {
    if (typeof value === 'number') return [[`${prefix}${words(name)}`, value] as [string, number]];
    const nested = typeof value === 'object' && value !== null && !Array.isArray(value) && prefix === '';
    return nested ? numbersOf(value, `${words(name)} `) : [];
  });
}

/** @example words('validationLoss') // 'validation loss' */
const words = (name: string) => name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, ' ').toLowerCase();

const plainly = (value: unknown): string => {
  if (typeof value !== 'object' || value === null) return String(value);
  return 'kind' in value ? kindOf(value as { kind: string }) : JSON.stringify(value);
};

const metric = (value: number) =>
  Number.isInteger(value) || Math.abs(value) >= 1e4 ? shortInteger(value) : value.toPrecision(4);

const shortInteger = (value: number) => (Math.abs(value) < 1e15 ? value.toLocaleString('en') : shortNumber(value));
