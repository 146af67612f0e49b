import type { RecordBatch } from 'apache-arrow';
import { shown } from '../../rdd/arguments.js';
import type { ArrowRDD } from '../../rdd/arrow-rdd.js';
import { PortableModel } from '../portable-model.js';
import { ofGivenRows, plainBatch } from './plain-batch.js';
import {
  type Estimator,
  type FitColumns,
  isBatchTransformer,
  isEstimator,
  isModel,
  isTransformer,
  type Model,
  type PlainRow,
  type StageJson,
  type Transformer,
} from './stage.js';
import { VectorAssembler } from './vector-assembler.js';

/**
 * Stages in a row, as Spark's and scikit-learn's Pipeline: each is fitted on what those before it make of the table, so that
 * what was learnt from training rows, and nothing else, is applied to all others.
 *
 * ```ts
 * const pipeline = new Pipeline([
 *   new VectorAssembler({ columns: ['x', 'y', 'z'] }),
 *   new StandardScaler(),
 *   new MLPClassifier({ hidden: [32], seed: 1 }),
 * ]);
 * const model = await pipeline.fit(train.cache(), { label: 'activity' });
 * const { accuracy } = await model.evaluate(test);
 * await model.predict([{ x: 0.1, y: 9.8, z: 0.3 }]);
 * ```
 */
export class Pipeline implements Estimator<PipelineModel> {
  /** @throws TypeError for what is no stage, or none at all */
  constructor(readonly stages: readonly (Estimator | Transformer)[]) {
    requireStages('Pipeline', stages, (stage) => isEstimator(stage) || isTransformer(stage));
  }

  /** @param columns for the networks in it @throws what the stages' `fit` throws */
  async fit(table: ArrowRDD, columns: FitColumns = {}): Promise<PipelineModel> {
    const fitted: Transformer[] = [];
    let current = table;
    for (const [k, stage] of this.stages.entries()) {
      const transformer = isEstimator(stage) ? await stage.fit(current, columns) : stage;
      fitted.push(transformer);
      if (k < this.stages.length - 1) current = transformer.transform(current);
    }
    return new PipelineModel(fitted);
  }

  /** Those of the last stage. */
  strata(columns: FitColumns): string | undefined {
    const last = this.stages.at(-1);
    return isEstimator(last) ? last.strata?.(columns) : undefined;
  }
}

/** Fitted stages in a row. */
export class PipelineModel extends PortableModel implements Model {
  constructor(readonly stages: readonly Transformer[]) {
    super();
    requireStages('PipelineModel', stages, isTransformer);
  }

  get weights(): readonly Float32Array[] {
    return this.stages.flatMap(({ weights = [] }) => weights);
  }

  /** All stages' columns; a network at the end adds its predictions. */
  transform(table: ArrowRDD): ArrowRDD {
    return this.stages.reduce((current, stage) => stage.transform(current), table);
  }

  transformBatch(batch: RecordBatch): RecordBatch {
    return throughBatch(this.stages, batch);
  }

  /**
   * What the network at the end makes of plain rows, in this process, without executors. Stages that leave rows out, or cut
   * windows, give as many predictions as there are rows left.
   * @throws TypeError when the last stage is no model, and for rows that are no objects, or that a stage refuses
   */
  async predict(rows: readonly PlainRow[]): Promise<unknown[]> {
    return this.#predicted('predict', rows, (model, batch) => model.predictBatch(batch));
  }

  /** Probabilities of the classes, row by row, likewise. */
  async predictProba(rows: readonly PlainRow[]): Promise<number[][]> {
    return this.#predicted('predictProba', rows, (model, batch) => model.outputsOf(batch));
  }

  predictBatch(batch: RecordBatch): unknown[] {
    return this.#model('predict').predictBatch(throughBatch(this.stages.slice(0, -1), batch));
  }

  outputsOf(batch: RecordBatch): number[][] {
    return this.#model('predictProba').outputsOf(throughBatch(this.stages.slice(0, -1), batch));
  }

  #predicted<T>(method: string, rows: readonly PlainRow[], by: (model: Model, batch: RecordBatch) => T[]): T[] {
    const model = this.#model(method);
    const batch = plainBatch(rows);
    if (batch.numRows === 0) return []; // columns are known by rows only
    const [first] = this.stages;
    const bare = rows.findIndex((row) => Array.isArray(row) || ArrayBuffer.isView(row));
    if (first instanceof VectorAssembler && bare >= 0)
      throw new TypeError(
        `${method}: row ${bare + 1} is an array, and the first stage assembles columns: give objects of ${first.options.columns.join(', ')}`,
      );
    return ofGivenRows(() => by(model, throughBatch(this.stages.slice(0, -1), batch)));
  }

  /** Transforms a table and judges the network at the end on it. @throws TypeError when the last stage is no model */
  async evaluate(table: ArrowRDD, options?: object): Promise<any> {
    const before = this.stages.slice(0, -1);
    const model = this.#model('evaluate');
    return model.evaluate(
      before.reduce((current, stage) => stage.transform(current), table),
      options,
    );
  }

  toJSON(): StageJson {
    return { stage: 'Pipeline', stages: this.stages.map((stage) => stage.toJSON()) };
  }

  #model(method: string): Model {
    const last = this.stages.at(-1);
    if (isModel(last)) return last;
    throw new TypeError(`PipelineModel.${method} needs a network as its last stage, not ${last?.toJSON().stage}`);
  }
}

function throughBatch(stages: readonly Transformer[], batch: RecordBatch): RecordBatch {
  return stages.reduce((current, stage) => {
    if (!isBatchTransformer(stage))
      throw new TypeError(`the stage ${stage.toJSON().stage} works on tables only, not on plain rows`);
    return stage.transformBatch(current);
  }, batch);
}

function requireStages(owner: string, stages: unknown, fits: (stage: unknown) => boolean): void {
  if (!Array.isArray(stages) || stages.length === 0)
    throw new TypeError(`${owner} needs an array of stages, at least one, not ${shown(stages)}`);
  const wrong = stages.findIndex((stage) => !fits(stage));
  if (wrong >= 0) throw new TypeError(`stage ${wrong + 1} of ${owner} is ${shown(stages[wrong])}, which is no stage`);
}
