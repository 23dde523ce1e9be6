! Callbacks with their contexts: what they are given, how they stop a call, and when they are called.
module hosts
   use laser
   use, intrinsic :: iso_fortran_env, only: int64, real64
   implicit none

   type :: simulator
      integer :: calls = 0, stop_at = 0, code = 0
      integer :: short_at = 0, got = 0 !< the call that sets got, and to what
      logical :: weighted = .false., right = .true.
   end type simulator

   type :: watcher
      integer :: calls = 0, stop_at = 0, code = 0, messages = 0
      character(len=200) :: stages = "", message = ""
      logical :: right = .true.
      type(laser_cancel) :: cancel !< tripped at stop_at, if it was made
   end type watcher

   type :: detector
      integer :: calls = 0, stop_at = 0
      real(real64) :: shift = 0
      logical :: right = .true.
   end type detector

   type :: numbers
      integer :: calls = 0
      real(real64) :: last = 0.5_real64
   end type numbers

   !> A source whose callback calls the library.
   type :: nest
      type(laser_source) :: inner, outer !< outer: the one that calls
      type(laser_options) :: options
      integer :: calls = 0, trained = -1, busy = -1
   end type nest

contains

   subroutine ring(x, w, got, code, context)
      real(real64), intent(out) :: x(:, :), w(:)
      integer, intent(inout) :: got, code
      class(*), intent(inout) :: context
      real(real64) :: phi(size(x, 2)), u(size(x, 2))
      select type (context)
      type is (simulator)
         context%calls = context%calls + 1
         context%right = context%right .and. got == size(x, 2) .and. code == 0 .and. size(x, 1) == 2
         context%right = context%right .and. size(w) == merge(got, 0, context%weighted)
         if (context%calls == context%stop_at) code = context%code
         if (context%calls == context%short_at) got = context%got
      end select
      call random_number(phi)
      call random_number(u)
      x(1, :) = (1 + 0.1_real64 * u) * cos(6.2831853_real64 * phi)
      x(2, :) = (1 + 0.1_real64 * u) * sin(6.2831853_real64 * phi)
      w = 0.5_real64
   end subroutine ring

   subroutine nested(x, w, got, code, context)
      real(real64), intent(out) :: x(:, :), w(:)
      integer, intent(inout) :: got, code
      class(*), intent(inout) :: context
      type(laser_generator) :: generator
      type(simulator) :: unused
      select type (context)
      type is (nest)
         context%calls = context%calls + 1
         if (context%calls == 1) then
            call generator%train(context%inner, context%options, status=context%trained)
            call generator%free()
            call generator%train(context%outer, context%options, status=context%busy)
         end if
      end select
      call ring(x, w, got, code, unused)
   end subroutine nested

   subroutine progress(p, code, context)
      type(laser_progress), intent(in) :: p
      integer, intent(inout) :: code
      class(*), intent(inout) :: context
      select type (context)
      type is (watcher)
         context%calls = context%calls + 1
         if (index(context%stages, p%stage) == 0) context%stages = trim(context%stages) // " " // p%stage
         context%right = context%right .and. p%epoch >= 1 .and. p%epoch <= p%epochs .and. p%step >= 1 .and. p%step <= p%steps
         if (context%calls == context%stop_at) then
            code = context%code
            call context%cancel%trip() ! does nothing without a token
         end if
      end select
   end subroutine progress

   subroutine log(level, message, code, context)
      integer, intent(in) :: level
      character(len=*), intent(in) :: message
      integer, intent(inout) :: code
      class(*), intent(inout) :: context
      select type (context)
      type is (watcher)
         context%messages = context%messages + 1
         context%message = message
         context%right = context%right .and. level >= LASER_LOG_INFO .and. level <= LASER_LOG_WARNING .and. len(message) > 0
         if (context%messages == context%stop_at) code = context%code
      end select
   end subroutine log

   !> The context of a callback that was given none.
   subroutine without_context(x, w, got, code, context)
      real(real64), intent(out) :: x(:, :), w(:)
      integer, intent(inout) :: got, code
      class(*), intent(inout) :: context
      x = 0
      w = 1
      got = 0
      code = 5
      select type (context)
      type is (integer)
         code = 6
      end select
   end subroutine without_context

   subroutine smear(z, c, x, code, context)
      real(real64), intent(in) :: z(:, :), c(:, :)
      real(real64), intent(out) :: x(:, :)
      integer, intent(inout) :: code
      class(*), intent(inout) :: context
      select type (context)
      type is (detector)
         context%calls = context%calls + 1
         context%right = context%right .and. all(shape(z) == [3, size(x, 2)]) .and. all(shape(c) == [0, size(x, 2)]) .and. code == 0
         if (context%calls == context%stop_at) code = -12
         x(1, :) = z(1, :) + context%shift
         x(2, :) = z(2, :) + 0.1_real64 * z(3, :)
      end select
   end subroutine smear

   !> The part of the ring with x1 < x0.
   subroutine half_ring(x, w, got, code, context)
      real(real64), intent(out) :: x(:, :), w(:)
      integer, intent(inout) :: got, code
      class(*), intent(inout) :: context
      integer :: i
      call ring(x, w, got, code, context)
      do i = 1, size(x, 2)
         x(:, i) = [maxval(x(:, i)), minval(x(:, i))]
      end do
   end subroutine half_ring

   subroutine below(x, inside, code, context)
      real(real64), intent(in) :: x(:, :)
      logical, intent(inout) :: inside(:)
      integer, intent(inout) :: code
      class(*), intent(inout) :: context
      integer :: i
      select type (context)
      type is (detector)
         context%calls = context%calls + 1
         context%right = context%right .and. all(shape(x) == [2, size(inside)]) .and. .not. any(inside) .and. code == 0
         if (context%calls == context%stop_at) code = 31
      end select
      do i = 1, size(inside)
         if (x(1, i) > x(2, i)) inside(i) = .true.
      end do
   end subroutine below

   subroutine given(z, c, x, code, context)
      real(real64), intent(in) :: z(:, :), c(:, :)
      real(real64), intent(out) :: x(:, :)
      integer, intent(inout) :: code
      class(*), intent(inout) :: context
      x(1, :) = z(1, :) + 100 * c(1, :) + c(2, :)
      select type (context)
      type is (detector)
         if (any(shape(c) /= [2, size(x, 2)])) code = 1
      end select
   end subroutine given

   subroutine noise(u, code, context)
      real(real64), intent(out) :: u(:)
      integer, intent(inout) :: code
      class(*), intent(inout) :: context
      integer :: i
      select type (context)
      type is (numbers)
         context%calls = context%calls + 1
         do i = 1, size(u)
            context%last = modulo(context%last * 16807 + 0.618033988749895_real64, 1.0_real64)
            u(i) = context%last
         end do
      class default
         u = 2
         code = 0
      end select
   end subroutine noise
end module hosts

program test_callbacks
   use laser
   use check
   use hosts
   use toy, only: settings, train
   implicit none
   type(laser_options) :: options
   integer :: status

   call options%from_json(settings)
   call sources()
   call from_inside()
   call watched()
   call generators()
   call supports()
   call random_numbers()
   call options%free()
   call finish()

contains

   subroutine sources()
      type(simulator), target :: host
      type(laser_source) :: source
      type(laser_generator) :: generator
      call source%from_callback(2, .false., ring, host)
      call generator%train(source, options, status=status)
      if (status == LASER_ERR_UNSUPPORTED) stop 77
      call expect_ok(status, "training from a callback")
      call expect(host%calls > 0 .and. host%right, "which was given the right arguments")
      call generator%train(source, options, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "free it first", "training into a variable that holds a generator")
      call generator%free()

      host = simulator(stop_at=1, code=-77)
      call attempt(host, status)
      call expect_failure(status, LASER_ERR_CALLBACK, "-77", "a callback that stops")
      call expect(laser_last_callback_code() == -77, "its number")
      host = simulator(short_at=1, got=-5)
      call attempt(host, status)
      call expect_failure(status, LASER_ERR_CALLBACK, "set got to -5", "a negative number of events")
      host = simulator(stop_at=1, code=3)
      call attempt(host, status)
      call expect_failure(status, LASER_ERR_CALLBACK, "3", "a callback that stops after that")
      host = simulator(short_at=1, got=1000000)
      call attempt(host, status)
      call expect_failure(status, LASER_ERR_DATA, "1000000", "more events than were asked for")
      call expect(laser_last_callback_code() == 0, "no number of a callback")
      host = simulator(short_at=2, got=100)
      call attempt(host, status)
      call expect_ok(status, "an epoch that ends early")
      call expect(host%calls > 2, "which is followed by another")
      call source%free()
      call source%free()

      host = simulator(weighted=.true.)
      call source%from_callback(2, .true., ring, host)
      call source%from_callback(2, .true., ring, host, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "free it first", "a variable that holds a source")
      call generator%train(source, options, status=status)
      call expect_ok(status, "weighted events")
      call expect(host%right, "which have room for their weights")
      call generator%free()
      call source%free()

      call source%from_callback(2, .false., without_context)
      call generator%train(source, options, status=status)
      call expect(status == LASER_ERR_CALLBACK .and. laser_last_callback_code() == 6, "no context is some integer")
      call source%free()
      call source%from_callback(-2, .false., ring, host, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "dim is negative: -2", "a negative dimension")
      call expect(laser_last_callback_code() == 0, "the number of an earlier failure is gone")
      call source%from_callback(0, .false., ring, host, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "", "no dimension")
      call generator%train(source, options, status=status)
      call expect_failure(status, LASER_ERR_NULL, "", "a source that was not made")
   end subroutine sources

   !> A training from a source of its own, which has kept no events of an earlier call.
   subroutine attempt(host, status)
      type(simulator), intent(inout), target :: host
      integer, intent(out) :: status
      type(laser_source) :: source
      type(laser_generator) :: generator
      call source%from_callback(2, .false., ring, host)
      call generator%train(source, options, status=status)
      call generator%free()
      call source%free()
   end subroutine attempt

   !> A callback may train by itself, but not from the source that it serves.
   subroutine from_inside()
      type(simulator), target :: host
      type(nest), target :: context
      type(laser_generator) :: generator
      context%options = options
      call context%inner%from_callback(2, .false., ring, host)
      call context%outer%from_callback(2, .false., nested, context)
      call generator%train(context%outer, options, status=status)
      call expect_ok(status, "a training whose callback trains")
      call expect(context%trained == LASER_OK .and. host%calls > 0, "the training inside")
      call expect(context%busy == LASER_ERR_BUSY, "the source that is in use")
      call generator%free()
      call context%inner%free()
      call context%outer%free()
   end subroutine from_inside

   subroutine watched()
      type(simulator), target :: host
      type(watcher), target :: first, second
      type(laser_source) :: source
      type(laser_generator) :: generator
      type(laser_model) :: model
      type(laser_hooks) :: hooks, unmade
      type(laser_cancel) :: cancel, no_token
      call source%from_callback(2, .false., ring, host)
      call hooks%new()
      call hooks%set_progress(progress, first)
      call hooks%set_log(log, second)
      call generator%train(source, options, hooks)
      call model%refine(generator, source, options, hooks)
      call expect(first%calls > 10 .and. first%right, "progress")
      call expect(first%stages == " flow classifier pilot", "stages:" // trim(first%stages))
      call expect(second%messages > 0 .and. second%right .and. second%calls == 0, "messages, in a context of their own")
      call model%free()

      first = watcher(stop_at=3, code=41)
      call model%refine(generator, source, options, hooks, status)
      call expect(status == LASER_ERR_CALLBACK .and. laser_last_callback_code() == 41 .and. first%calls == 3, "progress stops")
      first = watcher()
      second = watcher(stop_at=1, code=42)
      call model%refine(generator, source, options, hooks, status)
      call expect(status == LASER_ERR_CALLBACK .and. laser_last_callback_code() == 42, "log stops")

      ! Cancelled by another call, through a token.
      second = watcher()
      call cancel%new()
      call expect(.not. cancel%is_tripped(), "a new token")
      call hooks%set_cancel(cancel)
      first = watcher(stop_at=2, cancel=cancel)
      call model%refine(generator, source, options, hooks, status)
      call expect_failure(status, LASER_ERR_CANCELLED, "classifier", "cancelled")
      call expect(cancel%is_tripped() .and. first%calls == 2, "at once")
      call model%refine(generator, source, options, hooks, status)
      call expect(status == LASER_ERR_CANCELLED, "it stays tripped")
      call cancel%reset()
      call expect(.not. cancel%is_tripped(), "until it is reset")
      call hooks%set_progress()
      call hooks%set_log()
      first = watcher()
      call model%refine(generator, source, options, hooks, status)
      call expect_ok(status, "after that")
      call expect(first%calls == 0 .and. second%messages == 0, "no callbacks any more")
      call model%free()
      call cancel%trip()
      call hooks%set_cancel()
      call model%refine(generator, source, options, hooks, status)
      call expect_ok(status, "without the token")

      call hooks%set_cancel(no_token, status)
      call expect_failure(status, LASER_ERR_NULL, "laser_cancel was not made", "a token that was not made")
      call no_token%reset(status)
      call expect_failure(status, LASER_ERR_NULL, "", "resetting it")
      call unmade%set_progress(progress, first, status)
      call expect_failure(status, LASER_ERR_NULL, "laser_hooks was not made", "hooks that were not made")
      call unmade%set_log(log, first, status)
      call expect_failure(status, LASER_ERR_NULL, "laser_hooks was not made", "log of them")
      call model%free()
      call model%refine(generator, source, options, unmade, status)
      call expect_failure(status, LASER_ERR_NULL, "laser_hooks given as hooks was not made", "a call with them")
      call hooks%new(status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "free it first", "a variable that holds hooks")
      call cancel%new(status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "free it first", "a variable that holds a token")
      call cancel%free()
      call hooks%free()
      call hooks%free()
      call generator%free()
      call source%free()
   end subroutine watched

   !> A generator of the host's own: refined, saved, loaded and attached again; and one with conditions.
   subroutine generators()
      type(simulator), target :: host
      type(detector), target :: first, second
      type(laser_source) :: source
      type(laser_generator) :: generator
      type(laser_model) :: model, loaded, attached
      type(laser_sampler) :: sampler
      real(real64) :: x(2, 300), y(2, 300), z(3, 300), c(2, 10), cz(3, 10), cx(1, 10)
      integer :: i
      first%shift = 0.5_real64
      call generator%from_callback(3, 0, 2, .false., smear, first)
      call source%from_callback(2, .false., ring, host)
      call model%refine(generator, source, options)
      call expect(first%calls > 0 .and. first%right, "a generator that is a callback")
      call generator%free() ! the model keeps what it needs
      call sampler%new(model, 1_int64, 2_int64)
      call sampler%generate_latent(x, z)
      call expect(all(abs(x(1, :) - z(1, :) - 0.5_real64) < 1e-12_real64), "its events")
      call sampler%free()

      call model%save("test_callbacks.laser")
      call loaded%load("test_callbacks.laser")
      open (newunit=i, file="test_callbacks.laser")
      close (i, status="delete")
      call loaded%generate(z, y, status=status)
      call expect(status /= LASER_OK, "a loaded model lacks the callback")
      second%shift = 0.5_real64
      call attached%attach(loaded, 3, 0, 1, smear, second, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "", "a callback of other dimensions")
      call attached%attach(loaded, -3, 0, 2, smear, second, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "zdim is negative: -3", "a negative dimension")
      call attached%attach(loaded, 3, 0, 2, smear, second)
      call sampler%new(attached, 1_int64, 2_int64)
      call sampler%generate(y)
      call expect(same(x, y), "the same events after attach")
      call sampler%free()
      second%stop_at = second%calls + 1
      call attached%generate(z, y, status=status)
      call expect(status == LASER_ERR_CALLBACK .and. laser_last_callback_code() == -12, "a generator that stops")
      call attached%free()
      call loaded%free()
      call model%free()

      call generator%from_callback(1, -1, 1, .false., given, second, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "cdim is negative: -1", "negative conditions")
      call generator%from_callback(1, 2, 1, .true., given, second)
      call expect(generator%condition_dim() == 2 .and. generator%latent_dim() == 1 .and. generator%event_dim() == 1, &
         "its dimensions")
      call model%from_generator(generator)
      do i = 1, 10
         cz(:, i) = [0.5_real64, real(i, real64), real(2 * i, real64)]
      end do
      c = cz(2:3, :)
      call model%generate(cz, cx)
      call expect(all(abs(cx(1, :) - (0.5_real64 + 100 * c(1, :) + c(2, :))) < 1e-9_real64), "conditions by column")
      call model%free()
      call generator%free()
      call source%free()
   end subroutine generators

   !> A procedure says where events can be: the same as a formula does.
   subroutine supports()
      type(simulator), target :: host
      type(detector), target :: smearing, marking, again
      type(laser_source) :: source
      type(laser_options) :: formula
      type(laser_generator) :: plain, generator
      type(laser_model) :: model, loaded, half, attached
      type(laser_sampler) :: sampler
      real(real64) :: x(2, 300), y(2, 300), z(2, 2), log_w(2)
      character(len=:), allocatable :: name
      integer :: i
      call formula%from_json(settings)
      call formula%set("support", "x0 > x1")
      call formula%set("features.names", "first, second")
      call plain%from_callback(3, 0, 2, .false., smear, smearing)
      call generator%with_support(plain, 3, below, marking, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "`dim` is 3, but events have 2 values", "a support of other events")
      call generator%with_support(plain, -2, below, marking, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "dim is negative: -2", "a negative dimension")
      call generator%with_support(plain, 2, below, marking)
      call generator%with_support(plain, 2, below, marking, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "free it first", "a variable that holds a generator")

      call repeat_source(source, host)
      call model%refine(plain, source, formula)
      call model%feature_name(2, name)
      call expect(name == "second", "a feature has a name")
      call model%feature_name(3, name, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "have 2 values", "a third one")
      call model%feature_name(0, name, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "column is 0", "one before the first")
      call sampler%new(model, 1_int64, 2_int64)
      call sampler%generate(x)
      call sampler%free()
      call model%free()
      call source%free()

      call repeat_source(source, host)
      call model%refine(generator, source, options)
      call expect(marking%calls > 0 .and. marking%right, "a support that is a procedure")
      call model%feature_name(1, name)
      call expect(name == "x0", "a feature without a name")
      call sampler%new(model, 1_int64, 2_int64)
      call sampler%generate(y)
      call expect(same(x, y) .and. all(x(1, :) > x(2, :)), "the same events as of a formula")
      call sampler%free()
      z = reshape([0.0_real64, 0.5_real64, 0.5_real64, 0.0_real64], [2, 2])
      call model%log_weight(z, log_w)
      call expect(log_w(1) < -huge(log_w) .and. log_w(2) > -huge(log_w), "no weight outside")

      call model%save("test_callbacks.laser")
      call loaded%load("test_callbacks.laser")
      open (newunit=i, file="test_callbacks.laser")
      close (i, status="delete")
      call half%attach(loaded, 3, 0, 2, smear, smearing)
      call half%log_weight(z, log_w, status=status)
      call expect_failure(status, LASER_ERR_UNSUPPORTED, "laser_model_attach_support", "a loaded model lacks the support")
      call attached%attach_support(half, 1, below, again, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "`dim` is 1", "a support of other events")
      call attached%attach_support(half, 2, below, again)
      call sampler%new(attached, 1_int64, 2_int64)
      call sampler%generate(y)
      call expect(same(x, y), "the same events after attach_support")
      again%stop_at = again%calls + 1
      call sampler%seek(100000_int64)
      call sampler%generate(y, status=status)
      call expect_failure(status, LASER_ERR_CALLBACK, "the support callback returned 31", "a support that stops")
      call sampler%free()
      call attached%free()
      call half%free()
      call loaded%free()
      call model%free()
      call generator%free()
      call plain%free()
      call source%free()
      call formula%free()
   end subroutine supports

   !> A new source of the same events each time.
   subroutine repeat_source(source, host)
      type(laser_source), intent(inout) :: source
      type(simulator), intent(inout), target :: host
      integer, allocatable :: seed(:)
      integer :: n
      call random_seed(size=n)
      allocate (seed(n), source=17)
      call random_seed(put=seed)
      host = simulator()
      call source%from_callback(2, .false., half_ring, host)
   end subroutine repeat_source

   subroutine random_numbers()
      type(laser_model) :: model
      type(laser_sampler) :: sampler, none
      type(laser_hooks) :: hooks
      type(watcher), target :: seen
      type(numbers), target :: host, again
      real(real64) :: own(2, 100), x(2, 100), y(2, 100)
      call train(model, 2)
      call sampler%new(model, 1_int64, 2_int64)
      call sampler%generate(own)
      call sampler%set_noise_callback(noise, host)
      call sampler%generate(x)
      call expect(host%calls > 0 .and. .not. same(own, x), "the host's random numbers")
      call sampler%seek(0_int64, status)
      call expect(status == LASER_ERR_UNSUPPORTED, "which have no order")
      call sampler%set_noise_callback(noise, again)
      call sampler%generate(y)
      call expect(same(x, y), "the same numbers, the same events")
      call sampler%set_noise_callback(noise) ! without context it gives 2
      call sampler%generate(y, status=status)
      call expect_failure(status, LASER_ERR_DATA, "", "numbers beyond 1")
      call sampler%set_noise_callback()
      call sampler%seek(0_int64)
      call sampler%generate(y)
      call expect(same(own, y), "the sampler's own numbers again")
      call hooks%new()
      call hooks%set_progress(progress, seen)
      call sampler%set_hooks(hooks)
      call sampler%set_noise_callback() ! drops what was made ahead
      call sampler%seek(0_int64)
      call sampler%generate(y)
      call expect(same(own, y) .and. seen%calls > 0 .and. seen%right, "with hooks")
      call expect(index(seen%stages, "sampling") > 0, "of the stage")
      seen = watcher(stop_at=1, code=21)
      call sampler%seek(100000_int64)
      call sampler%generate(y, status=status)
      call expect_failure(status, LASER_ERR_CALLBACK, "21", "hooks that stop")
      call expect(sampler%tell() == 100000_int64, "leave the stream where it stood")
      call sampler%set_hooks()
      call sampler%generate(y)
      call none%set_hooks(hooks, status)
      call expect_failure(status, LASER_ERR_NULL, "laser_sampler was not made", "hooks of a sampler that was not made")
      call none%set_noise_callback(noise, host, status)
      call expect_failure(status, LASER_ERR_NULL, "laser_sampler was not made", "a sampler that was not made")
      call sampler%free()
      call hooks%free()
      call model%free()
   end subroutine random_numbers
end program test_callbacks
