import { alignColumns } from './confusion-table.js';
import type { ManyLabelMetrics } from './many-label.js';

/** Precision, recall and F1 of each label as text. @param names of the labels */
export function formatManyLabels({ perClass, micro, macro }: ManyLabelMetrics, names: readonly string[]): string {
  const row = (name: string, { precision, recall, f1 }: ManyLabelMetrics['micro'], rows: string) => [
    name,
    rows,
    ...[precision, recall, f1].map((value) => value.toFixed(3)),
  ];
  return alignColumns([
    ['label', 'rows', 'precision', 'recall', 'F1'],
    ...perClass.map((each, k) => row(names[k]!, each, String(each.support))),
    row('(micro)', micro, ''),
    row('(macro)', macro, ''),
  ]);
}
