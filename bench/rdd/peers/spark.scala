// The cases as a Spark user writes them, for `spark-shell -I`. A line of stdin names a case and its arguments, separated by
// tabs; a line of stdout that begins with @@ answers in JSON. Every run makes fresh RDDs: Spark skips stages it has done.

object Cases extends Serializable {
  /** The finaliser of MurmurHash3 on the low 32 bits; a bijection, so distinct rows give distinct hashes. */
  def hash(row: Long): Long = {
    var x = row.toInt
    x = (x ^ (x >>> 16)) * 0x85ebca6b
    x = (x ^ (x >>> 13)) * 0xc2b2ae35
    (x ^ (x >>> 16)) & 0xffffffffL
  }

  def mapFilterSum(rows: Long): Seq[Double] =
    Seq(sc.range(0, rows).map(x => 2 * x + 1).filter(_ % 3 == 0).reduce(_ + _).toDouble)

  def reduceByKey(rows: Long, keys: Long): Seq[Double] = {
    val pairs = sc.range(0, rows).map(row => ((hash(row) % keys).toInt, row & 63))
    Seq(pairs.reduceByKey(_ + _).map { case (key, sum) => key * (sum % 1009) }.reduce(_ + _).toDouble)
  }

  /** Rows, their sum, and the sum of each times its place: in each partition, then over all in order. */
  def sortBy(rows: Long): Seq[Double] = {
    val parts = sc.range(0, rows).map(row => hash(row) / 4294967296.0).sortBy(value => value).mapPartitions { values =>
      var count = 0L
      var sum = 0.0
      var placed = 0.0
      while (values.hasNext) {
        val value = values.next()
        placed += count * value
        sum += value
        count += 1
      }
      Iterator((count, sum, placed))
    }.collect()
    val (count, sum, placed) = parts.foldLeft((0L, 0.0, 0.0)) { (a, b) =>
      (a._1 + b._1, a._2 + b._2, a._3 + b._3 + a._1 * b._2)
    }
    Seq(count.toDouble, sum, placed)
  }

  def join(rows: Long): Seq[Double] = {
    def side(from: Long) = sc.range(from, from + rows).map(row => ((hash(row) % rows).toInt, row))
    Seq(side(0).join(side(rows)).map { case (key, (a, b)) => (a * b + key) % 65521 }.reduce(_ + _).toDouble)
  }

  def vector(row: Long, length: Int): Array[Double] = {
    val values = new Array[Double](length)
    var i = 0
    while (i < length) {
      values(i) = (row.toInt * 31 + i * 17) & 1023
      i += 1
    }
    values
  }

  /** Adds into `a`. Empty is the zero: as MLlib's own aggregators, so that no megabytes of zeros travel with every task. */
  def add(a: Array[Double], b: Array[Double]): Array[Double] =
    if (a.isEmpty) b
    else {
      var i = 0
      while (i < b.length) {
        a(i) += b(i)
        i += 1
      }
      a
    }

  def treeAggregate(vectors: Int, length: Int): Seq[Double] = {
    val sum = sc.range(0, vectors, 1, vectors).map(vector(_, length)).treeAggregate(Array.empty[Double])(add, add)
    var check = 0.0
    for (i <- sum.indices) check += sum(i) * (i % 1000 + 1)
    Seq(check)
  }

  val COLUMNS = 12

  /** Small files packed into a few tasks a core: a task for each of the 360 takes longer. */
  def csv(directory: String): Seq[Double] =
    sc.textFile(directory + "/*/*.csv").coalesce(4 * sc.defaultParallelism).mapPartitions { lines =>
      val sums = new Array[Double](COLUMNS)
      while (lines.hasNext) {
        val line = lines.next()
        if (line.nonEmpty && line.charAt(0) != ',') {
          val fields = line.split(',')
          var column = 0
          while (column < COLUMNS) {
            sums(column) += java.lang.Double.parseDouble(fields(column + 1))
            column += 1
          }
        }
      }
      Iterator(sums)
    }.reduce(add(_, _)).toSeq

  def empty(tasks: Int, times: Int): Seq[Double] = {
    var rows = 0L
    for (_ <- 0 until times) rows += sc.range(0, tasks, 1, tasks).count()
    Seq(rows.toDouble)
  }

  def run(fields: Array[String]): Seq[Double] = fields match {
    case Array("map-filter-sum", rows) => mapFilterSum(rows.toLong)
    case Array("reduceByKey", rows, keys) => reduceByKey(rows.toLong, keys.toLong)
    case Array("sortBy", rows) => sortBy(rows.toLong)
    case Array("join", rows) => join(rows.toLong)
    case Array("treeAggregate", vectors, length) => treeAggregate(vectors.toInt, length.toInt)
    case Array("csv", directory) => csv(directory)
    case Array("empty", tasks, times) => empty(tasks.toInt, times.toInt)
  }

  def serve(): Unit = {
    println("@@{\"ready\":true}")
    for (line <- Iterator.continually(scala.io.StdIn.readLine()).takeWhile(_ != null)) {
      val start = System.nanoTime()
      try {
        val check = run(line.split('\t'))
        println(s"""@@{"ms":${(System.nanoTime() - start) / 1e6},"check":[${check.mkString(",")}]}""")
      } catch {
        case error: Throwable =>
          val message = String.valueOf(error).linesIterator.nextOption().getOrElse("").replaceAll("[\"\\\\\\t]", " ")
          println(s"""@@{"error":"$message"}""")
      }
    }
  }
}

Cases.serve()
System.exit(0)
