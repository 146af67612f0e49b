import { requirePaths } from './arguments.js';
import type { ArrowRDD } from './arrow-rdd.js';
import { ContextLineage } from './context-lineage.js';
import { requireOptions } from './known-options.js';
import type { RDD } from './rdd.js';
import { type ArffOptions, arffSource } from './sources/arff.js';
import { type ArrowFileOptions, arrowFileSource } from './sources/arrow-file.js';
import { type BinaryFile, wholeFilesSource } from './sources/binary.js';
import { type CsvOptions, csvSource } from './sources/csv.js';
import { type IdxOptions, idxSource } from './sources/idx.js';
import { type JsonLinesOptions, jsonLinesSource } from './sources/json-lines.js';
import { type LibsvmOptions, libsvmSource } from './sources/libsvm.js';
import { objectFileSource } from './sources/object-file.js';
import { type ParquetOptions, parquetSource } from './sources/parquet.js';
import type { Source } from './sources/source.js';
import { textSource } from './sources/text.js';

/**
 * What a context reads. Paths are local paths, `http(s)://` and `s3://` URLs: a file, a directory (searched recursively), a
 * glob pattern, or several of them. Nothing is read before a job or `schema()` needs it. The number of partitions is chosen by
 * measurement unless it is given; big files are read in pieces where their format allows it, small ones together.
 */
export abstract class ContextSources extends ContextLineage {
  /** A table that a source of record batches gives. */
  protected abstract sourceTable(operator: string, source: Source, partitions: number | undefined): ArrowRDD;
  /** An RDD of what a source of rows gives. */
  protected abstract rows<T>(operator: string, source: Source, partitions: number | undefined): RDD<T>;

  /** Lines of text files, also gzipped. @example sc.textFile('logs/*.txt') */
  textFile(path: string | readonly string[], partitions?: number): RDD<string> {
    requirePaths('textFile', path);
    return this.rows('textFile', textSource(path), partitions);
  }

  /** CSV files. @example sc.csv('runs/*.csv', { columns: { x: 'float32' } }) */
  csv(path: string | readonly string[], options: CsvOptions = {}, partitions?: number): ArrowRDD {
    requirePaths('csv', path);
    requireOptions('csv', options);
    return this.sourceTable('csv', csvSource(path, options), partitions);
  }

  /** Files of one JSON object a line. @example sc.jsonLines('events', { columns: { time: 'int64', tags: ['utf8'] } }) */
  jsonLines(path: string | readonly string[], options: JsonLinesOptions = {}, partitions?: number): ArrowRDD {
    requirePaths('jsonLines', path);
    requireOptions('jsonLines', options);
    return this.sourceTable('jsonLines', jsonLinesSource(path, options), partitions);
  }

  /** Parquet files, of which only the wanted columns and row groups are read. @example sc.parquet('trips', { columns: ['distance'], where: { column: 'day', min: new Date('2024-01-01') } }) */
  parquet(path: string | readonly string[], options: ParquetOptions = {}, partitions?: number): ArrowRDD {
    requirePaths('parquet', path);
    requireOptions('parquet', options);
    return this.sourceTable('parquet', parquetSource(path, options), partitions);
  }

  /** Arrow IPC files and streams: their record batches as they are. @example sc.arrowFile('features/*.arrow', { columns: ['features'] }) */
  arrowFile(path: string | readonly string[], options: ArrowFileOptions = {}, partitions?: number): ArrowRDD {
    requirePaths('arrowFile', path);
    requireOptions('arrowFile', options);
    return this.sourceTable('arrowFile', arrowFileSource(path, options), partitions);
  }

  /** Files in libsvm's format: `label`, and `features` as a `FixedSizeList<Float32>`. @example sc.libsvm('train.svm', { numFeatures: 692 }) */
  libsvm(path: string | readonly string[], options: LibsvmOptions = {}, partitions?: number): ArrowRDD {
    requirePaths('libsvm', path);
    requireOptions('libsvm', options);
    return this.sourceTable('libsvm', libsvmSource(path, options), partitions);
  }

  /** Weka's ARFF files; nominal columns are dictionary-encoded. @example sc.arff('activity.arff', { columns: ['XAVG', 'class'] }) */
  arff(path: string | readonly string[], options: ArffOptions = {}, partitions?: number): ArrowRDD {
    requirePaths('arff', path);
    requireOptions('arff', options);
    return this.sourceTable('arff', arffSource(path, options), partitions);
  }

  /** MNIST's idx format: `features` as a `FixedSizeList<Float32>`, and `label` where a file of labels is given. @example sc.idx('train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte.gz', { scale: true }) */
  idx(images: string, labels?: string, options: IdxOptions = {}, partitions?: number): ArrowRDD {
    requirePaths('idx', labels === undefined ? [images] : [images, labels]);
    requireOptions('idx', options);
    return this.sourceTable('idx', idxSource(images, labels, options), partitions);
  }

  /** Files as `{ path, bytes }`. @example sc.binaryFiles('pictures').map(({ path, bytes }) => [path, bytes.length]) */
  binaryFiles(path: string | readonly string[], partitions?: number): RDD<BinaryFile> {
    requirePaths('binaryFiles', path);
    return this.rows('binaryFiles', wholeFilesSource(path, 'bytes'), partitions);
  }

  /** Text files as `[path, text]`. @example sc.wholeTextFiles('letters').map(([path, text]) => [path, text.length]) */
  wholeTextFiles(path: string | readonly string[], partitions?: number): RDD<[string, string]> {
    requirePaths('wholeTextFiles', path);
    return this.rows('wholeTextFiles', wholeFilesSource(path, 'text'), partitions);
  }

  /** What `saveAsObjectFile` wrote; only files that you trust, because values may hold code. @example sc.objectFile<[string, number]>('counts') */
  objectFile<T>(path: string | readonly string[], partitions?: number): RDD<T> {
    requirePaths('objectFile', path);
    return this.rows('objectFile', objectFileSource(path), partitions);
  }
}
