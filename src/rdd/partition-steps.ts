import type { RecordBatch } from 'apache-arrow';
import { CHUNK_ROWS, type Chunk, type Chunks, isBatch, piecesOf, rowIterator, rowsOf } from './chunks.js';
import type { StepFunction } from './fused-chain.js';
import { mapOrdered } from './map-ordered.js';
import { isPromise, operatorFailure, refusePromise, refuseScalar, userError } from './operator-failure.js';

/** Async user functions of one partition that run at a time. */
const ASYNC_WIDTH = 16;
/** Rows handed on together by async operators: enough to keep the width busy, few enough for `take`. */
const ASYNC_ROWS = 8 * ASYNC_WIDTH;

/** Row operators whose function is async: bounded concurrency, order kept. */
export async function* asyncRows(
  chunks: Chunks,
  kind: 'map' | 'filter' | 'flatMap',
  fn: StepFunction,
  name: string,
  signal: AbortSignal,
): Chunks {
  for await (const chunk of chunks)
    for (const piece of piecesOf(chunk, ASYNC_ROWS)) {
      const rows = rowsOf(piece);
      const results = await eachAsync(rows, fn, name, signal, kind === 'flatMap' ? gathered : undefined);
      if (kind === 'map') yield results;
      else if (kind === 'filter') yield rows.filter((_, index) => results[index]);
      else yield (results as unknown[][]).flat(1);
    }
}

/** `foreach` with an async function. */
export async function foreachAsync(chunks: Chunks, fn: StepFunction, name: string, signal: AbortSignal): Promise<void> {
  for await (const chunk of chunks)
    for (const piece of piecesOf(chunk, ASYNC_ROWS)) await eachAsync(rowsOf(piece), fn, name, signal);
}

function eachAsync(
  rows: readonly unknown[],
  fn: StepFunction,
  name: string,
  signal: AbortSignal,
  finish: (result: any, name: string) => unknown = (result) => result,
): Promise<unknown[]> {
  const work = async (row: unknown) => {
    try {
      return await finish(await fn.call(row), name);
    } catch (error) {
      throw operatorFailure(error, name);
    }
  };
  return mapOrdered(rows, ASYNC_WIDTH, work, signal);
}

async function gathered(result: Iterable<unknown> | AsyncIterable<unknown>, name: string): Promise<unknown[]> {
  const rows: unknown[] = [];
  if (isIterable(result)) for (const row of result) rows.push(row);
  else if (isAsyncIterable(result)) for await (const row of result) rows.push(row);
  else refuseScalar(name, result);
  return rows;
}

/** @param before arguments that come before the iterator of the partition's rows */
export async function* mapPartition(chunks: Chunks, fn: StepFunction, before: unknown[], name: string): Chunks {
  yield* callPartition(fn, [...before, rowIterator(await gather(chunks))], name);
}

export async function gather(chunks: Chunks): Promise<Chunk[]> {
  const all: Chunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

/** What a function of whole partitions returns or yields, in chunks. */
export async function* callPartition(fn: StepFunction, parameters: readonly unknown[], name: string): Chunks {
  try {
    const returned = fn.call(...parameters);
    const result = isPromise(returned) ? await (fn.async ? returned : refusePromise(name)) : returned;
    if (Array.isArray(result)) yield result;
    else if (isIterable(result)) yield* regrouped(result);
    else if (isAsyncIterable(result)) yield* regroupedAsync(result);
    else refuseScalar(name, result);
  } catch (error) {
    throw operatorFailure(error, name);
  }
}

function* regrouped(rows: Iterable<unknown>): Generator<unknown[]> {
  let out: unknown[] = [];
  for (const row of rows) {
    out.push(row);
    if (out.length < CHUNK_ROWS) continue;
    yield out;
    out = [];
  }
  if (out.length > 0) yield out;
}

async function* regroupedAsync(rows: AsyncIterable<unknown>): AsyncGenerator<unknown[]> {
  let out: unknown[] = [];
  for await (const row of rows) {
    out.push(row);
    if (out.length < CHUNK_ROWS) continue;
    yield out;
    out = [];
  }
  if (out.length > 0) yield out;
}

export async function* mapBatches(chunks: Chunks, fn: StepFunction, name: string): Chunks {
  for await (const chunk of chunks) {
    const batch = batchOf(chunk, name);
    let result: unknown;
    try {
      result = fn.call(batch);
      if (isPromise(result)) result = fn.async ? await result : refusePromise(name);
    } catch (error) {
      throw operatorFailure(error, name);
    }
    for (const each of Array.isArray(result) ? result : [result]) {
      if (!isBatch(each))
        throw userError(`the function of ${name} must return an Arrow RecordBatch or an array of them`);
      yield each;
    }
  }
}

function batchOf(chunk: Chunk, name: string): RecordBatch {
  if (isBatch(chunk)) return chunk;
  throw userError(`${name} needs Arrow record batches, and part of this RDD holds plain rows (a union with an RDD?)`);
}

function isIterable(value: any): value is Iterable<unknown> {
  return value !== null && value !== undefined && typeof value[Symbol.iterator] === 'function';
}

function isAsyncIterable(value: any): value is AsyncIterable<unknown> {
  return value !== null && value !== undefined && typeof value[Symbol.asyncIterator] === 'function';
}
