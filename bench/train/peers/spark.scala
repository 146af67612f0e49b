// Spark MLlib's MultilayerPerceptronClassifier, l-bfgs, for `spark-shell -I`. A pass over the rows is one job: a listener times
// them. (MLlib's hidden layers are sigmoid; the products are the same.)

import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}
import java.nio.file.{Files, Paths}
import java.util.concurrent.{CountDownLatch, TimeUnit}
import org.apache.spark.ml.classification.MultilayerPerceptronClassifier
import org.apache.spark.ml.linalg.Vectors
import org.apache.spark.scheduler.{SparkListener, SparkListenerJobEnd}
import org.apache.spark.sql.DataFrame

object Train {
  val json = new ObjectMapper
  /** Rows that are multiplied at once. Tried: as fast as 512 and 2048, faster than the default of 128. */
  val BLOCK = 1024

  private val jobEnds = scala.collection.mutable.ArrayBuffer.empty[Long]
  sc.addSparkListener(new SparkListener {
    override def onJobEnd(end: SparkListenerJobEnd): Unit = jobEnds.synchronized { jobEnds += end.time }
  })

  private val loaded = scala.collection.mutable.Map.empty[String, DataFrame]

  def resident(files: JsonNode): DataFrame = loaded.getOrElseUpdate(files.get("images").asText, {
    val images = Files.readAllBytes(Paths.get(files.get("images").asText))
    val labels = Files.readAllBytes(Paths.get(files.get("labels").asText)).drop(8)
    val rows = labels.indices.map { row =>
      val from = 16 + 784 * row
      (labels(row).toDouble, Vectors.dense(Array.tabulate(784)(i => (images(from + i) & 0xff) / 255.0)))
    }
    val table = spark.createDataFrame(sc.parallelize(rows, 2)).toDF("label", "features").persist()
    table.count()
    table
  })

  def network(work: JsonNode, iterations: Int): MultilayerPerceptronClassifier = {
    val widths = work.get("widths")
    new MultilayerPerceptronClassifier()
      .setLayers(Array.tabulate(widths.size)(i => widths.get(i).asInt))
      .setBlockSize(BLOCK)
      .setSeed(1)
      .setTol(0)
      .setMaxIter(iterations)
  }

  /** The first job's end is where timing begins: it stacks the rows, too. */
  def fit(order: JsonNode): String = {
    val work = order.get("case")
    if (work.get("precision").asText != "f32") return """{"skipped":"no bf16 in MLlib"}"""
    val table = resident(order.get("train"))
    val rows = work.get("rows").asLong
    jobEnds.synchronized(jobEnds.clear())
    val begun = System.currentTimeMillis
    val start = System.nanoTime
    network(work, math.min(work.get("epochs").asInt, 3) - 1).fit(table)
    val seconds = (System.nanoTime - start) / 1e9
    Thread.sleep(200) // the listener's queue
    val ends = jobEnds.synchronized(begun +: jobEnds.toSeq)
    val passes = ends.sliding(2).collect { case Seq(a, b) => (b - a) / 1000.0 }.toSeq
    s"""{"seconds":$seconds,"epochSeconds":[${passes.mkString(",")}],"losses":[]}"""
  }

  /** One fit of 20 iterations, whatever it reaches. */
  def race(order: JsonNode): String = {
    val table = resident(order.get("train"))
    val held = resident(order.get("test"))
    val start = System.nanoTime
    val model = network(order.get("race").get("case"), 20).fit(table)
    val seconds = (System.nanoTime - start) / 1e9
    val accuracy = model.transform(held).where("prediction = label").count().toDouble / held.count()
    s"""{"seconds":$seconds,"epochs":20,"accuracy":$accuracy}"""
  }

  def serve(): Unit = {
    println("@@{\"ready\":true}")
    for (line <- Iterator.continually(scala.io.StdIn.readLine()).takeWhile(_ != null)) {
      try {
        val Array(name, order) = line.split("\t", 2)
        val parsed = json.readTree(order)
        println("@@" + (if (name == "fit") fit(parsed) else race(parsed)))
      } catch {
        case error: Throwable =>
          val message = String.valueOf(error).linesIterator.nextOption().getOrElse("").replaceAll("[\"\\\\\\t]", " ")
          println(s"""@@{"error":"$message"}""")
      }
    }
  }
}

Train.serve()
System.exit(0)
