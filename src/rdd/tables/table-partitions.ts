import { requireWhole } from '../arguments.js';
import type { ArrowRDD } from '../arrow-rdd.js';
import { operatorName } from '../call-site.js';
import { newSeed, requireFraction, requireSeed, splitBounds } from '../operators/sampling.js';
import { spreadEvenly } from '../shuffle/spread.js';
import type { SampleParameters } from './sample-step.js';
import { TableRows } from './table-rows.js';

/** What RDDs of rows have too, on record batches: no row is made, and a table comes out. */
export abstract class TablePartitions extends TableRows {
  /** As of any RDD: the same rows for the same seed. */
  override sample(withReplacement: boolean, fraction: number, seed = newSeed()): ArrowRDD {
    requireFraction('the fraction of sample', fraction, withReplacement);
    requireSeed(seed);
    return this.#sampled({ seed, fraction, withReplacement }, operatorName('sample'));
  }

  /** As of any RDD: the same rows for the same seed. @example const [train, test] = runs.randomSplit([0.8, 0.2], 42); */
  override randomSplit(weights: readonly number[], seed = newSeed()): ArrowRDD[] {
    const bounds = splitBounds(weights);
    requireSeed(seed);
    const name = operatorName('randomSplit');
    return bounds.map(([from, to]) => this.#sampled({ seed, from, to }, name));
  }

  /** Deals the rows out to so many partitions, evenly; their order is not kept. */
  override repartition(partitions: number): ArrowRDD {
    requireWhole('the number of partitions of repartition', partitions, 1);
    return this.spread(operatorName('repartition'), spreadEvenly(this.context, this.node, partitions));
  }

  /**
   * Makes one partition of several neighbours, in order, without moving rows between slots before they are computed.
   * @param partitions at most so many @param shuffle deal rows out instead (`repartition`). Default false
   */
  override coalesce(partitions: number, shuffle = false): ArrowRDD {
    requireWhole('the number of partitions of coalesce', partitions, 1);
    if (shuffle) return this.repartition(partitions);
    return this.tableOf(this.context.newNode(operatorName('coalesce'), { kind: 'coalesce', partitions }, [this.node]));
  }

  #sampled(parameters: SampleParameters, name: string): ArrowRDD {
    return this.step('sample-step', parameters, name, { rule: ([schema]) => schema });
  }
}
