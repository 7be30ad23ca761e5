;; The three inner loops of the Lanczos resampler: sums of 8-bit samples times 32-bit fixed-point weights (22 bits
;; after the point, 0.5 already added), shifted and clamped to bytes. All pointers are byte offsets into the memory.
;; Starts and lengths are in samples of one channel; weights of one output position stand $stride apart.
(module
  (memory (export "memory") 1)

  ;; One row of RGB pixels. Reads one byte beyond a pixel and writes one beyond the row.
  (func (export "colours")
    (param $input i32) (param $output i32) (param $outputs i32)
    (param $starts i32) (param $lengths i32) (param $weights i32) (param $stride i32)
    (local $x i32) (local $from i32) (local $weight i32) (local $end i32) (local $sum v128)
    (loop $pixels
      (local.set $from (i32.add (local.get $input)
        (i32.mul (i32.load (i32.add (local.get $starts) (i32.shl (local.get $x) (i32.const 2)))) (i32.const 3))))
      (local.set $weight (i32.add (local.get $weights)
        (i32.shl (i32.mul (local.get $x) (local.get $stride)) (i32.const 2))))
      (local.set $end (i32.add (local.get $weight)
        (i32.shl (i32.load (i32.add (local.get $lengths) (i32.shl (local.get $x) (i32.const 2)))) (i32.const 2))))
      (local.set $sum (i32x4.splat (i32.const 0x200000)))
      (loop $taps
        (local.set $sum (i32x4.add (local.get $sum)
          (i32x4.mul
            (v128.load32_splat (local.get $weight))
            (i32x4.extend_low_i16x8_u (i16x8.extend_low_i8x16_u (v128.load32_zero (local.get $from)))))))
        (local.set $from (i32.add (local.get $from) (i32.const 3)))
        (local.set $weight (i32.add (local.get $weight) (i32.const 4)))
        (br_if $taps (i32.lt_u (local.get $weight) (local.get $end))))
      (local.set $sum (i32x4.shr_s (local.get $sum) (i32.const 22)))
      (local.set $sum (i16x8.narrow_i32x4_s (local.get $sum) (local.get $sum)))
      (v128.store32_lane 0 (local.get $output) (i8x16.narrow_i16x8_u (local.get $sum) (local.get $sum)))
      (local.set $output (i32.add (local.get $output) (i32.const 3)))
      (local.set $x (i32.add (local.get $x) (i32.const 1)))
      (br_if $pixels (i32.lt_u (local.get $x) (local.get $outputs)))))

  ;; One row of single samples, four weights at a time: $stride is a multiple of four, what is unused is zero.
  (func (export "greys")
    (param $input i32) (param $output i32) (param $outputs i32)
    (param $starts i32) (param $lengths i32) (param $weights i32) (param $stride i32)
    (local $x i32) (local $from i32) (local $weight i32) (local $end i32) (local $sum v128)
    (loop $samples
      (local.set $from (i32.add (local.get $input)
        (i32.load (i32.add (local.get $starts) (i32.shl (local.get $x) (i32.const 2))))))
      (local.set $weight (i32.add (local.get $weights)
        (i32.shl (i32.mul (local.get $x) (local.get $stride)) (i32.const 2))))
      (local.set $end (i32.add (local.get $weight)
        (i32.shl (i32.load (i32.add (local.get $lengths) (i32.shl (local.get $x) (i32.const 2)))) (i32.const 2))))
      (local.set $sum (i32x4.replace_lane 0 (i32x4.splat (i32.const 0)) (i32.const 0x200000)))
      (loop $taps
        (local.set $sum (i32x4.add (local.get $sum)
          (i32x4.mul
            (v128.load (local.get $weight))
            (i32x4.extend_low_i16x8_u (i16x8.extend_low_i8x16_u (v128.load32_zero (local.get $from)))))))
        (local.set $from (i32.add (local.get $from) (i32.const 4)))
        (local.set $weight (i32.add (local.get $weight) (i32.const 16)))
        (br_if $taps (i32.lt_u (local.get $weight) (local.get $end))))
      (local.set $sum (i32x4.add (local.get $sum)
        (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $sum) (local.get $sum))))
      (local.set $sum (i32x4.add (local.get $sum)
        (i8x16.shuffle 4 5 6 7 0 1 2 3 12 13 14 15 8 9 10 11 (local.get $sum) (local.get $sum))))
      (local.set $sum (i32x4.shr_s (local.get $sum) (i32.const 22)))
      (local.set $sum (i16x8.narrow_i32x4_s (local.get $sum) (local.get $sum)))
      (v128.store8_lane 0 (local.get $output) (i8x16.narrow_i16x8_u (local.get $sum) (local.get $sum)))
      (local.set $output (i32.add (local.get $output) (i32.const 1)))
      (local.set $x (i32.add (local.get $x) (i32.const 1)))
      (br_if $samples (i32.lt_u (local.get $x) (local.get $outputs)))))

  ;; One output row of $count input rows that stand $length bytes apart, 16 samples at a time: reads and writes up to
  ;; 15 bytes beyond the row.
  (func (export "rows")
    (param $input i32) (param $output i32) (param $length i32) (param $weights i32) (param $count i32)
    (local $x i32) (local $from i32) (local $weight i32) (local $end i32)
    (local $bytes v128) (local $half v128) (local $factor v128)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $end (i32.add (local.get $weights) (i32.shl (local.get $count) (i32.const 2))))
    (loop $samples
      (local.set $from (i32.add (local.get $input) (local.get $x)))
      (local.set $weight (local.get $weights))
      (local.set $a (i32x4.splat (i32.const 0x200000)))
      (local.set $b (local.get $a))
      (local.set $c (local.get $a))
      (local.set $d (local.get $a))
      (loop $taps
        (local.set $bytes (v128.load (local.get $from)))
        (local.set $factor (v128.load32_splat (local.get $weight)))
        (local.set $half (i16x8.extend_low_i8x16_u (local.get $bytes)))
        (local.set $a (i32x4.add (local.get $a)
          (i32x4.mul (local.get $factor) (i32x4.extend_low_i16x8_u (local.get $half)))))
        (local.set $b (i32x4.add (local.get $b)
          (i32x4.mul (local.get $factor) (i32x4.extend_high_i16x8_u (local.get $half)))))
        (local.set $half (i16x8.extend_high_i8x16_u (local.get $bytes)))
        (local.set $c (i32x4.add (local.get $c)
          (i32x4.mul (local.get $factor) (i32x4.extend_low_i16x8_u (local.get $half)))))
        (local.set $d (i32x4.add (local.get $d)
          (i32x4.mul (local.get $factor) (i32x4.extend_high_i16x8_u (local.get $half)))))
        (local.set $from (i32.add (local.get $from) (local.get $length)))
        (local.set $weight (i32.add (local.get $weight) (i32.const 4)))
        (br_if $taps (i32.lt_u (local.get $weight) (local.get $end))))
      (v128.store (i32.add (local.get $output) (local.get $x))
        (i8x16.narrow_i16x8_u
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (local.get $a) (i32.const 22)) (i32x4.shr_s (local.get $b) (i32.const 22)))
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (local.get $c) (i32.const 22)) (i32x4.shr_s (local.get $d) (i32.const 22)))))
      (local.set $x (i32.add (local.get $x) (i32.const 16)))
      (br_if $samples (i32.lt_u (local.get $x) (local.get $length))))))
