import fc from 'fast-check';
import type { RDD, SheafContext } from 'sheaf';

/** An RDD beside what it should hold: plain arrays, one a partition. */
export interface Modelled {
  readonly rdd: RDD<number>;
  readonly parts: readonly (readonly number[])[];
}

/** A program over RDDs of numbers, as data, so that fast-check can shrink it. */
export type Program =
  | { readonly kind: 'parallelize'; readonly rows: number[]; readonly partitions: number }
  | {
      readonly kind: 'range';
      readonly from: number;
      readonly count: number;
      readonly step: number;
      readonly partitions: number;
    }
  | { readonly kind: 'unary'; readonly operator: keyof typeof OPERATORS; readonly of: Program }
  | { readonly kind: 'cache' | 'unpersist' | 'self-union'; readonly of: Program }
  | { readonly kind: 'union'; readonly of: Program[] };

interface Operator {
  apply(rdd: RDD<number>): RDD<number>;
  model(rows: readonly number[], partition: number): number[];
}

const perRow = (of: (row: number) => number[]) => (rows: readonly number[]) => rows.flatMap(of);

export const OPERATORS = {
  map: { apply: (rdd) => rdd.map((x) => x * 2 + 1), model: perRow((x) => [x * 2 + 1]) },
  asyncMap: {
    apply: (rdd) =>
      rdd.map(async (x) => {
        // Later rows are ready sooner: order must be kept all the same.
        for (let turns = Math.abs(x) % 5; turns > 0; turns--) await null;
        return x - 3;
      }),
    model: perRow((x) => [x - 3]),
  },
  filter: { apply: (rdd) => rdd.filter((x) => x % 3 !== 0), model: perRow((x) => (x % 3 !== 0 ? [x] : [])) },
  asyncFilter: { apply: (rdd) => rdd.filter(async (x) => x % 2 === 0), model: perRow((x) => (x % 2 === 0 ? [x] : [])) },
  none: { apply: (rdd) => rdd.filter(() => false), model: () => [] },
  flatMapArray: {
    apply: (rdd) => rdd.flatMap((x) => [x, -x].slice(0, Math.abs(x) % 3)),
    model: perRow((x) => [x, -x].slice(0, Math.abs(x) % 3)),
  },
  flatMapGenerator: {
    apply: (rdd) =>
      rdd.flatMap(function* (x) {
        yield x;
        if (x > 0) yield x + 1;
      }),
    model: perRow((x) => (x > 0 ? [x, x + 1] : [x])),
  },
  flatMapSet: {
    apply: (rdd) => rdd.flatMap((x) => new Set([x, x, Math.abs(x)])),
    model: perRow((x) => [...new Set([x, Math.abs(x)])]),
  },
  flatMapText: {
    apply: (rdd) => rdd.flatMap((x) => String(Math.abs(x))).map((digit) => Number(digit)),
    model: perRow((x) => [...String(Math.abs(x))].map(Number)),
  },
  asyncFlatMap: {
    apply: (rdd) =>
      rdd.flatMap(async function* (x) {
        yield x;
        await null;
        yield x;
      }),
    model: perRow((x) => [x, x]),
  },
  mapPartitions: {
    apply: (rdd) => rdd.mapPartitions((rows) => [...rows].reverse()),
    model: (rows) => [...rows].reverse(),
  },
  mapPartitionsGenerator: {
    apply: (rdd) =>
      rdd.mapPartitions(async function* (rows) {
        for (const row of rows) yield row + 1;
        yield 7;
      }),
    model: (rows) => [...rows.map((x) => x + 1), 7],
  },
  mapPartitionsWithIndex: {
    apply: (rdd) => rdd.mapPartitionsWithIndex((index, rows) => [...rows].map((row) => row * 10 + index)),
    model: (rows, partition) => rows.map((row) => row * 10 + partition),
  },
  glom: { apply: (rdd) => rdd.glom().map((rows) => rows.length), model: (rows) => [rows.length] },
} satisfies Record<string, Operator>;

/** @param depth of operators above a leaf, at most */
export function programs(depth: number): fc.Arbitrary<Program> {
  const { program } = fc.letrec<{ program: Program; leaf: Program }>((tie) => ({
    leaf: fc.oneof(
      fc.record({
        kind: fc.constant('parallelize' as const),
        rows: fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 12 }),
        partitions: fc.integer({ min: 1, max: 5 }),
      }),
      fc.record({
        kind: fc.constant('range' as const),
        from: fc.integer({ min: -20, max: 20 }),
        count: fc.integer({ min: 0, max: 20 }),
        step: fc.constantFrom(1, 3, -2),
        partitions: fc.integer({ min: 1, max: 4 }),
      }),
    ),
    program: fc.oneof(
      { maxDepth: depth, depthIdentifier: 'program' },
      tie('leaf'),
      fc.record({
        kind: fc.constant('unary' as const),
        operator: fc.constantFrom(...(Object.keys(OPERATORS) as (keyof typeof OPERATORS)[])),
        of: tie('program'),
      }),
      fc.record({
        kind: fc.constantFrom('cache' as const, 'unpersist' as const, 'self-union' as const),
        of: tie('program'),
      }),
      fc.record({ kind: fc.constant('union' as const), of: fc.array(tie('program'), { minLength: 1, maxLength: 3 }) }),
    ),
  }));
  return program;
}

export function build(sc: SheafContext, program: Program): Modelled {
  switch (program.kind) {
    case 'parallelize': {
      const { rows, partitions } = program;
      return { rdd: sc.parallelize(rows, partitions), parts: cut(rows, partitions) };
    }
    case 'range': {
      const { from, count, step, partitions } = program;
      const rows = Array.from({ length: count }, (_, i) => from + i * step);
      return { rdd: sc.range(from, from + count * step, step, partitions), parts: cut(rows, partitions) };
    }
    case 'unary': {
      const { rdd, parts } = build(sc, program.of);
      const operator: Operator = OPERATORS[program.operator];
      return { rdd: operator.apply(rdd), parts: parts.map((rows, p) => operator.model(rows, p)) };
    }
    case 'cache': {
      const { rdd, parts } = build(sc, program.of);
      return { rdd: rdd.cache(), parts };
    }
    case 'unpersist': {
      const { rdd, parts } = build(sc, program.of);
      return { rdd: rdd.cache().unpersist(), parts };
    }
    case 'self-union': {
      const { rdd, parts } = build(sc, program.of);
      return { rdd: rdd.union(rdd), parts: [...parts, ...parts] };
    }
    case 'union': {
      const [first, ...others] = program.of.map((each) => build(sc, each));
      const rdd = first!.rdd.union(...others.map((each) => each.rdd));
      return { rdd, parts: [first!, ...others].flatMap((each) => each.parts) };
    }
  }
}

export function cut<T>(rows: readonly T[], partitions: number): T[][] {
  const at = (p: number) => Math.floor((p * rows.length) / partitions);
  return Array.from({ length: partitions }, (_, p) => rows.slice(at(p), at(p + 1)));
}
