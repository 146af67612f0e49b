import type { RecordBatch } from 'apache-arrow';
import type { ArrowRDD } from '../../rdd/arrow-rdd.js';
import { assembleBatch } from '../../rdd/assemble-step.js';
import { COLUMN, COLUMNS, checkForms, type Forms, oneOf, requireOption } from '../options.js';
import { BatchStage, type StageJson } from './stage.js';

export interface VectorAssemblerOptions {
  /** Columns of numbers, or of vectors (as `OneHotEncoder` makes them), in the order of the features. */
  readonly columns: readonly string[];
  /** Name of the new column. Default `features`. */
  readonly into?: string;
  /** What to do with a row without a finite number in one of the columns: an `error` (default), or `drop` it. */
  readonly badRows?: 'error' | 'drop';
}

const FORMS: Forms<VectorAssemblerOptions> = { columns: COLUMNS, into: COLUMN, badRows: oneOf('error', 'drop') };

/** `table.assemble(columns)` as a stage of a pipeline. @example new VectorAssembler({ columns: ['x', 'y', 'z'] }) */
export class VectorAssembler extends BatchStage {
  /** @throws TypeError for an option that is not known, missing or of a bad value */
  constructor(readonly options: VectorAssemblerOptions) {
    super();
    checkForms('VectorAssembler', options, FORMS);
    requireOption('VectorAssembler', options, 'columns');
  }

  override transform(table: ArrowRDD): ArrowRDD {
    const { columns, into, badRows } = this.options;
    return table.assemble(columns, into, { badRows });
  }

  /** @throws FailureError naming row and column, as `assemble` */
  transformBatch(batch: RecordBatch): RecordBatch {
    const { columns, into = 'features', badRows = 'error' } = this.options;
    return assembleBatch(batch, { columns, into, badRows }, 'VectorAssembler').batch;
  }

  toJSON(): StageJson {
    return { stage: 'VectorAssembler', ...this.options };
  }

  static fromJSON({ stage: _, ...options }: StageJson): VectorAssembler {
    return new VectorAssembler(options as unknown as VectorAssemblerOptions);
  }
}
