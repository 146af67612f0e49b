/** A training as charts and tables: data, which html.ts and picture.ts draw. */
export interface ReportData {
  readonly title: string;
  readonly figures: readonly Figure[];
  readonly tables: readonly Table[];
}

export type Figure = Curves | Confusion;

export interface Curves {
  readonly kind: 'curves';
  readonly title: string;
  /** What the horizontal axis counts. */
  readonly x: string;
  readonly series: readonly Series[];
}

export interface Series {
  readonly name: string;
  /** In ascending order of x; values that are no finite number leave a gap. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Confusion {
  readonly kind: 'confusion';
  readonly title: string;
  readonly classes: readonly string[];
  /** True class by row, predicted class by column. */
  readonly counts: readonly (readonly number[])[];
}

export interface Table {
  readonly title: string;
  readonly header?: readonly string[];
  /** First cells are names, the others numbers or texts. */
  readonly rows: readonly (readonly string[])[];
}
