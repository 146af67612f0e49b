import { FailureError } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { type Chunks, isBatch } from '../rdd/chunks.js';
import { labelTexts, listValues, listWidth, requireFinite } from './columns.js';
import { ColumnMoments } from './scaler.js';

export interface SummariseParameters {
  readonly features: string;
  /** Labels are counted when this is given. */
  readonly label?: string;
  /** Moments of every feature are taken when this is true. */
  readonly moments?: boolean;
}

/** What a partition adds to the summary of a training table. */
export interface PartitionSummary {
  readonly rows: number;
  /** Features a row; 0 when the partition is empty. */
  readonly width: number;
  readonly labels: Readonly<Record<string, number>>;
  /** ColumnMoments, encoded. */
  readonly moments: string | null;
}

/** Terminal that looks once at every batch before training. */
export async function consume(chunks: Chunks, parameters: Json, _context: TaskContext): Promise<Json> {
  const { features, label, moments: wanted } = parameters as unknown as SummariseParameters;
  const labels: Record<string, number> = Object.create(null); // a label may be called "constructor"
  let moments: ColumnMoments | undefined;
  let rows = 0;
  let width = 0;
  for await (const chunk of chunks) {
    if (!isBatch(chunk) || chunk.numRows === 0) continue;
    width = listWidth(chunk, features);
    requireFinite(chunk, features, rows);
    if (label) count(labelTexts(chunk, label, rows), labels, label);
    rows += chunk.numRows;
    if (!wanted) continue;
    moments ??= new ColumnMoments(width);
    moments.add(listValues(chunk, features, width), chunk.numRows);
  }
  const encoded = moments ? Buffer.from(moments.toBytes()).toString('base64') : null;
  return { rows, width, labels, moments: encoded } satisfies PartitionSummary;
}

/** A column of measurements given as the label would make a network, and messages, of any size. */
const MAX_CLASSES = 10_000;

function count(texts: readonly string[], labels: Record<string, number>, label: string): void {
  for (const text of texts) labels[text] = (labels[text] ?? 0) + 1;
  if (Object.keys(labels).length > MAX_CLASSES)
    throw new FailureError({
      kind: 'user-error',
      message: `column "${label}" holds more than ${MAX_CLASSES} different labels: a classifier needs a column of classes, not of measurements`,
    });
}
