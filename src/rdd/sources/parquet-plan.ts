import type { ColumnChunk, FileMetaData, RowGroup } from 'hyparquet';

/** Rows whose value in `column` lies between `min` and `max`, both inclusive; rows without a value are left out. */
export interface ParquetRange {
  readonly column: string;
  readonly min?: number | bigint | string | Date;
  readonly max?: number | bigint | string | Date;
}

/** Row groups to be read together: rows `from` to `to` of the file. */
export interface ParquetRun {
  readonly from: number;
  readonly to: number;
  /** Of the wanted columns, unpacked. */
  readonly bytes: number;
}

/**
 * Which rows of a file are to be read, in pieces of about `size` bytes: row groups whose statistics say that no row can lie in the
 * ranges are left out. Pure.
 */
export function planRuns(
  metadata: Pick<FileMetaData, 'row_groups'>,
  columns: readonly string[],
  ranges: readonly ParquetRange[],
  size: number,
): ParquetRun[] {
  const runs: ParquetRun[] = [];
  let from = 0;
  for (const group of metadata.row_groups) {
    const to = from + Number(group.num_rows);
    if (to > from && ranges.every((range) => mayHold(group, range))) {
      const bytes = bytesOf(group, columns);
      const last = runs.at(-1);
      if (last && last.to === from && last.bytes + bytes <= size)
        runs[runs.length - 1] = { from: last.from, to, bytes: last.bytes + bytes };
      else runs.push({ from, to, bytes });
    }
    from = to;
  }
  return runs;
}

const topLevel = (chunk: ColumnChunk) => chunk.meta_data?.path_in_schema[0];

function bytesOf(group: RowGroup, columns: readonly string[]): number {
  const wanted = group.columns.filter((chunk) => columns.includes(topLevel(chunk) ?? ''));
  return wanted.reduce((sum, chunk) => sum + Number(chunk.meta_data!.total_uncompressed_size), 0);
}

function mayHold(group: RowGroup, { column, min, max }: ParquetRange): boolean {
  const chunk = group.columns.find((each) => topLevel(each) === column && each.meta_data!.path_in_schema.length === 1);
  const statistics = chunk?.meta_data?.statistics;
  if (!statistics) return true;
  if (statistics.null_count !== undefined && statistics.null_count === group.num_rows) return false;
  const least = statistics.min_value ?? statistics.min;
  const most = statistics.max_value ?? statistics.max;
  return !(below(most, min) || below(max, least));
}

/** Whether one is surely less than the other; false where they cannot be compared. */
function below(a: unknown, b: unknown): boolean {
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
  const [x, y] = [comparable(a), comparable(b)];
  return x !== undefined && y !== undefined && x < y;
}

function comparable(value: unknown): number | bigint | undefined {
  if (value instanceof Date) return value.getTime();
  return typeof value === 'number' || typeof value === 'bigint' ? value : undefined;
}

/** Bytes of the file that hold these rows of these columns, with what DuckDB may look up beside them; neighbours joined. */
export function chunkRanges(
  metadata: Pick<FileMetaData, 'row_groups'>,
  columns: readonly string[],
  { from, to }: Pick<ParquetRun, 'from' | 'to'>,
): [start: number, end: number][] {
  const ranges: [number, number][] = [];
  let first = 0;
  for (const group of metadata.row_groups) {
    const next = first + Number(group.num_rows);
    if (next > from && first < to)
      for (const chunk of group.columns) {
        const meta = chunk.meta_data!;
        if (!columns.includes(topLevel(chunk)!)) continue;
        const offsets = [meta.data_page_offset, meta.dictionary_page_offset].filter((each) => each !== undefined);
        const start = Math.min(...offsets.map(Number).filter((each) => each > 0));
        ranges.push([start, start + Number(meta.total_compressed_size)]);
        const bloom = Number(meta.bloom_filter_offset ?? 0);
        if (bloom > 0) ranges.push([bloom, bloom + (meta.bloom_filter_length ?? 2 ** 20)]);
      }
    first = next;
  }
  return joinedRanges(ranges);
}

/** Sorted; those that touch or nearly touch as one, because a request costs more than some bytes. */
function joinedRanges(ranges: [number, number][]): [number, number][] {
  const out: [number, number][] = [];
  for (const [start, end] of ranges.sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last && start <= last[1] + 64 * 1024) last[1] = Math.max(last[1], end);
    else out.push([start, end]);
  }
  return out;
}
