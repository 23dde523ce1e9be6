! Weights of events that are there: trained, given out, saved and loaded; parameters that only one of the sources has.
program test_reweighter
   use laser
   use check
   use toy, only: fill, random, settings
   use, intrinsic :: iso_fortran_env, only: int32, real64
   implicit none
   integer, parameter :: n = 4000
   character(len=*), parameter :: path = "test_reweighter.laser"
   type(random) :: host
   type(laser_options) :: options
   type(laser_source) :: from, to, data
   type(laser_reweighter) :: reweighter, loaded, given, resampled, unfolded
   type(laser_model) :: model
   real(real64), target :: x(2, n), y(2, n), wide(4, n), v(n)
   real(real64) :: w(n), log_w(n), spread(n), again(n), theta
   character(len=:), allocatable :: text
   integer(int32) :: flags(n)
   integer :: status, i, unit

   call fill(host, x)
   call fill(host, y)
   y(1, :) = y(1, :) + 0.5_real64
   v = 3
   call options%from_json(settings)
   call options%set("classifier.steps", 300)
   call options%set("classifier.lr", 0.01_real64)
   call options%set("classifier.ensemble", 2)
   call from%from_array(x, v)
   call to%from_array(y)
   call reweighter%train(from, to, options)
   call expect(reweighter%event_dim() == 2 .and. reweighter%condition_dim() == 0, "dimensions")
   call reweighter%feature_name(2, text)
   call expect(text == "x1", "names")
   call reweighter%info(text)
   call expect(index(text, '"classifier"') > 0, "info")
   call expect(abs(reweighter%get("weights.mean") - 1) < 0.2_real64, "mean weight")
   call reweighter%weights(x, w, log_w, spread)
   call expect(sqrt(sum((log_w - 0.5_real64 * (x(1, :) - 1.25_real64))**2) / n) < 0.25_real64, "log w is the exact ratio")
   call expect(maxval(abs(w - exp(log_w)) / w) < 1e-12_real64 .and. all(spread >= 0), "w and its spread")
   wide(2:3, :) = x
   call reweighter%weights(wide(2:3, :), log_w=again)
   call expect(all(abs(log_w - again) <= 0), "rows of a larger array, one output alone")
   call reweighter%weights(x, status=status)
   call expect_failure(status, LASER_ERR_NULL, "w", "nothing is wanted")
   call reweighter%weights(wide, w, status=status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "x has 4 values per event, but needs 2", "too many values")
   call reweighter%train(from, to, options, status=status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "", "a variable that holds one already")
   call given%train(from, from, options, status=status)
   call expect_failure(status, LASER_ERR_BUSY, "source", "one source as both")

   call reweighter%save(path)
   call loaded%load(path)
   call loaded%weights(x, again)
   call expect(all(abs(w - again) <= 0), "the same bits from a file")
   call model%load(path, status=status)
   call expect_failure(status, LASER_ERR_UNSUPPORTED, "this is a reweighter", "as a model")
   open (newunit=unit, file=path)
   close (unit, status="delete")

   do i = 1, n
      theta = 0.25_real64 * mod(i, 5)
      wide(:, i) = [x(1, i) + theta, x(2, i), theta, 0.0_real64]
   end do
   call to%free()
   call to%from_array(wide(:3, :))
   call options%set("conditions", 1)
   call given%train(from, to, options)
   call expect(given%condition_dim() == 1, "a parameter")
   call given%weights(wide(:3, :), log_w=log_w)
   again = wide(3, :) * (wide(1, :) - 1 - 0.5_real64 * wide(3, :))
   call expect(sqrt(sum((log_w - again)**2) / n) < 0.3_real64, "log w given the parameter")
   call from%free()
   v = 1
   v(::5) = -1
   call from%from_array(x, v)
   call options%set("conditions", 0)
   call resampled%resample(from, w, options)
   call expect(all(w > 0) .and. abs(sum(w) / sum(v) - 1) < 1e-12_real64, "positive weights of the same total")
   call resampled%weights(x, again)
   call expect(maxval(abs(resampled%get("resample.factor") * again / w - 1)) < 1e-9_real64, "the reweighter that comes with them")
   call resampled%free()
   call resampled%resample(from, w(:7), options, status=status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "there are 4000 events", "too few weights")

   ! Unfolding: x at particle level, smeared at detector level, against y that is smeared.
   call fill(host, wide(1:2, :))
   flags = LASER_PAIR_GENERATED + LASER_PAIR_RECONSTRUCTED
   flags(7) = LASER_PAIR_GENERATED
   call to%free()
   call from%free()
   call from%from_array(x)
   wide(3:4, :) = x + 0.3_real64 * (wide(1:2, :) - 1)
   call to%from_array(wide(3:4, :))
   call data%from_array(y)
   call options%set("conditions", 0)
   call options%set("unfold.iterations", 1)
   call unfolded%unfold(from, to, data, w, flags, options)
   call unfolded%weights(x, again)
   call expect(all(abs(w - unfolded%get("unfolding.factor") * again) <= 0), "weights of unfolding")
   call expect(abs(sum(w) / unfolded%get("unfolding.total") - 1) < 1e-9_real64, "unfolded events")
   call unfolded%unfold(from, to, data, w, flags, options, status=status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "", "a variable that holds one already, unfolding")
   call given%free()
   call given%unfold(from, to, data, w, flags(:5), options, status=status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "flags has 5 elements", "too few flags")
   call unfolded%free()
   call data%free()
   call reweighter%free()
   call loaded%free()
   call given%free()
   call from%free()
   call to%free()
   call options%free()
   call finish()
end program test_reweighter
