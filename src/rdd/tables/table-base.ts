import type { Schema } from 'apache-arrow';
import { FailureError } from '../../protocol/failure.js';
import type { Json } from '../../protocol/json.js';
import type { LineageNode } from '../../scheduler/lineage.js';
import type { AnyFunction } from '../../scheduler/step.js';
import { shown } from '../arguments.js';
import type { ArrowRDD } from '../arrow-rdd.js';
import type { Spread } from '../shuffle/spread.js';
import { TableSaves } from '../table-saves.js';
import { giveRule, type SchemaRule } from './schema-rules.js';

interface StepOptions {
  /** What the step makes of the schema; also its check. */
  readonly rule?: SchemaRule;
  readonly fn?: AnyFunction;
}

/** What the families of tables' operators stand on: engine steps over record batches, whose schemas are known as far as possible. */
export abstract class TableBase extends TableSaves {
  /** The table of another node; families know the class by its type only, so that modules have no circle. */
  protected abstract tableOf(node: LineageNode): ArrowRDD;

  /** A step by the module `rdd/tables/…`. @param name operator and place */
  protected step(module: string, parameters: unknown, name: string, { rule, fn }: StepOptions = {}): ArrowRDD {
    const step = {
      kind: 'module',
      module: `rdd/tables/${module}`,
      parameters: parameters as Json,
      ...(fn ? { fn } : {}),
    } as const;
    const node = this.context.newNode(name, step, [this.node]);
    return this.tableOf(rule ? this.ruled(node, rule) : node);
  }

  /** Lets a node's schema be known, and checked before the first job. */
  protected ruled(node: LineageNode, rule: SchemaRule): LineageNode {
    giveRule(node, rule);
    node.check = async () => {
      try {
        await this.context.tableSchema(node);
      } catch (error) {
        throw error instanceof FailureError ? new TypeError(error.message) : error;
      }
    };
    return node;
  }

  /** This table's rows spread anew. */
  protected spread(name: string, plan: () => Promise<Spread>): ArrowRDD {
    return this.tableOf(this.context.shuffled(this.node, name, plan));
  }

  /** Of this table: without a job where that is possible. */
  abstract schema(): Promise<Schema>;
}

/** @throws TypeError for what is no list of columns' names, for none, and for one that is given twice */
export function requireColumns(operator: string, columns: readonly unknown[], least = 1): asserts columns is string[] {
  const wrong = columns.find((column) => typeof column !== 'string');
  if (wrong !== undefined) throw new TypeError(`${operator} needs columns' names, not ${shown(wrong)}`);
  if (columns.length < least) throw new TypeError(`${operator} needs at least ${least === 1 ? 'one column' : least}`);
  const twice = columns.find((column, k) => columns.indexOf(column) < k);
  if (twice !== undefined) throw new TypeError(`${operator} is given the column ${shown(twice)} twice`);
}
