import type { DataType, RecordBatch } from 'apache-arrow';
import { FailureError } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { FEATURE_NAMES } from '../rdd/assemble-step.js';
import { type Chunks, isBatch } from '../rdd/chunks.js';
import { labelTexts, listValues, listWidth, requireFinite, shortList } from './columns.js';
import { ColumnMoments } from './scaler.js';
import {
  indicatorNames,
  type LabelForm,
  type LabelType,
  labelColumn,
  labelForm,
  labelSets,
  labelType,
  rowWeights,
  valueMatrix,
} from './targets.js';

export interface SummariseParameters {
  readonly features: string;
  /** Labels are counted when this is given. */
  readonly label?: string;
  /** Moments of these columns of numbers, or vectors, are taken when they are given. */
  readonly targets?: readonly string[];
  /** Rows' weights are checked when this is given. */
  readonly weight?: string;
  /** Moments of every feature are taken when this is true. */
  readonly moments?: boolean;
}

/** What a partition adds to the summary of a training table. */
export interface PartitionSummary {
  readonly rows: number;
  /** Features a row; 0 when the partition is empty. */
  readonly width: number;
  /** Names of the features, where the column knows them. */
  readonly featureNames: readonly string[] | null;
  readonly labels: Readonly<Record<string, number>>;
  /** Those of them that a row of a weight above 0 has. Absent: all, as rows are not weighed. */
  readonly weightyLabels?: readonly string[];
  /** Null when the partition is empty, or no label is asked for. */
  readonly labelForm: LabelForm | null;
  readonly labelType: LabelType | null;
  /** ColumnMoments of the features, encoded. */
  readonly moments: string | null;
  /** ColumnMoments of the targets, encoded. */
  readonly targets: string | null;
  /** Of the rows with a weight above 0. */
  readonly weighty: number;
}

/** Terminal that looks once at every batch before training. */
export async function consume(chunks: Chunks, parameters: Json, _context: TaskContext): Promise<Json> {
  const summary = new Summary(parameters as unknown as SummariseParameters);
  for await (const chunk of chunks) if (isBatch(chunk) && chunk.numRows > 0) summary.add(chunk);
  return summary.toJSON() as unknown as Json;
}

class Summary {
  readonly #labels: Record<string, number> = Object.create(null); // a label may be called "constructor"
  #moments: ColumnMoments | undefined;
  #targets: ColumnMoments | undefined;
  #rows = 0;
  #width = 0;
  #weighty = 0;
  readonly #weightyLabels = new Set<string>();
  #featureNames: readonly string[] | null = null;
  #form: LabelForm | null = null;
  #type: LabelType | null = null;

  constructor(readonly wanted: SummariseParameters) {}

  add(batch: RecordBatch): void {
    const { features, label, targets, weight, moments } = this.wanted;
    this.#width = listWidth(batch, features);
    requireFinite(batch, features, this.#rows);
    const names = batch.schema.fields.find(({ name }) => name === features)!.metadata.get(FEATURE_NAMES);
    if (names !== undefined) this.#featureNames = JSON.parse(names) as string[];
    const weights = weight === undefined ? undefined : rowWeights([batch], weight, this.#rows);
    if (label !== undefined) this.#addLabels(batch, label, weights);
    this.#weighty += weights ? weights.filter((each) => each > 0).length : batch.numRows;
    if (targets) {
      // Moments of float32 values: exact, and near enough to scale by.
      const values = Float32Array.from(valueMatrix(batch, targets, this.#rows));
      requireFloat32(values, batch.numRows, targets, this.#rows);
      this.#targets ??= new ColumnMoments(values.length / batch.numRows);
      this.#targets.add(values, batch.numRows);
    }
    if (moments) {
      this.#moments ??= new ColumnMoments(this.#width);
      this.#moments.add(listValues(batch, features, this.#width), batch.numRows);
    }
    this.#rows += batch.numRows;
  }

  #addLabels(batch: RecordBatch, label: string, weights: Float32Array | undefined): void {
    const type = labelColumn(batch, label).type as DataType;
    this.#form = labelForm(type);
    this.#type = this.#form === 'indicators' ? 'text' : labelType(type);
    // Of vectors every place is a label, also where no row has it.
    if (this.#form === 'indicators') for (const name of indicatorNames(batch, label)) this.#labels[name] ??= 0;
    const rows: (string | readonly string[])[] =
      this.#form === 'class' ? labelTexts(batch, label, this.#rows) : labelSets(batch, label, this.#rows);
    count(rows.flat(), this.#labels, label);
    if (weights) for (const text of rows.filter((_, row) => weights[row]! > 0).flat()) this.#weightyLabels.add(text);
  }

  toJSON(): PartitionSummary {
    const encoded = (moments: ColumnMoments | undefined) =>
      moments ? Buffer.from(moments.toBytes()).toString('base64') : null;
    return {
      rows: this.#rows,
      width: this.#width,
      featureNames: this.#featureNames,
      labels: this.#labels,
      ...(this.wanted.weight !== undefined && { weightyLabels: [...this.#weightyLabels] }),
      labelForm: this.#form,
      labelType: this.#type,
      moments: encoded(this.#moments),
      targets: encoded(this.#targets),
      weighty: this.#weighty,
    };
  }
}

/** @param before rows of the partition before these */
function requireFloat32(values: Float32Array, rows: number, targets: readonly string[], before: number): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const row = before + Math.floor(at / (values.length / rows)) + 1;
  throw new FailureError({
    kind: 'user-error',
    message: `row ${row} of the partition has a value of ${shortList(targets)} beyond 32-bit floats: scale such targets, or leave such rows out`,
  });
}

/** A column of measurements given as the label would make a network, and messages, of any size. */
export const MAX_CLASSES = 10_000;

export const tooManyClasses = (label: string) =>
  `column "${label}" holds more than ${MAX_CLASSES} different labels: a classifier needs a column of classes, not of measurements`;

function count(texts: readonly string[], labels: Record<string, number>, label: string): void {
  for (const text of texts) labels[text] = (labels[text] ?? 0) + 1;
  if (Object.keys(labels).length > MAX_CLASSES)
    throw new FailureError({ kind: 'user-error', message: tooManyClasses(label) });
}
