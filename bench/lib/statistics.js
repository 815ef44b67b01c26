/** The value below which the share `q` lies. @param sorted ascending; of none: `NaN` */
export function percentile (sorted, q) {
  return sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]
}

/** Median, least and greatest; `null` of none. */
export function summary (values) {
  if (values.length === 0) return null
  const sorted = Float64Array.from(values).sort()
  const half = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
  return { median, min: sorted[0], max: sorted.at(-1) }
}

/** The slope of the straight line through points, by least squares. */
export function slope (xs, ys) {
  const mean = (values) => values.reduce((total, value) => total + value, 0) / values.length
  const [x, y] = [mean(xs), mean(ys)]
  const over = xs.reduce((total, value, n) => total + (value - x) * (ys[n] - y), 0)
  return over / xs.reduce((total, value) => total + (value - x) ** 2, 0)
}
