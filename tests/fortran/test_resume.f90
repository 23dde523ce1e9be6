! Checkpoints to go on from, and the sum over ranks.
module resuming
   use laser
   use toy, only: fill, random
   use, intrinsic :: iso_fortran_env, only: int64, real64
   implicit none

   type :: stopper
      type(laser_cancel) :: cancel
      character(len=16) :: stage = "" !< tripped at this step of it
      integer :: step = 3
   end type stopper

   !> Its state says what comes next.
   type, extends(random) :: simulator
      integer :: made = 0
   end type simulator

   type :: summer
      integer :: calls = 0, numbers = 0, stop_at = 0
   end type summer

contains

   subroutine watch(progress, code, context)
      type(laser_progress), intent(in) :: progress
      integer, intent(inout) :: code
      class(*), intent(inout) :: context
      code = 0
      select type (context)
      type is (stopper)
         if (progress%stage == trim(context%stage) .and. progress%step == context%step) call context%cancel%trip()
      end select
   end subroutine watch

   subroutine deliver(x, w, got, code, context)
      real(real64), intent(out) :: x(:, :), w(:)
      integer, intent(inout) :: got, code
      class(*), intent(inout) :: context
      w = 1
      code = 0
      select type (context)
      type is (simulator)
         call fill(context, x(:, :got))
         context%made = context%made + got
      end select
   end subroutine deliver

   subroutine tell(position, code, context)
      integer(int64), intent(out) :: position
      integer, intent(inout) :: code
      class(*), intent(inout) :: context
      position = 0
      select type (context)
      type is (simulator)
         position = context%state
      class default
         code = 23
      end select
   end subroutine tell

   subroutine seek(position, code, context)
      integer(int64), intent(in) :: position
      integer, intent(inout) :: code
      class(*), intent(inout) :: context
      select type (context)
      type is (simulator)
         context%state = position
      class default
         code = 24
      end select
   end subroutine seek

   !> Of one rank: what it is given.
   subroutine allreduce(values, code, context)
      real(real64), intent(inout), contiguous :: values(:)
      integer, intent(inout) :: code
      class(*), intent(inout) :: context
      select type (context)
      type is (summer)
         context%calls = context%calls + 1
         context%numbers = max(context%numbers, size(values))
         if (context%calls == context%stop_at) code = 17
      end select
   end subroutine allreduce
end module resuming

program test_resume
   use laser
   use check
   use resuming
   use toy, only: random, simulate, settings, train
   use, intrinsic :: iso_fortran_env, only: int64, real64
   implicit none
   type(laser_options) :: options, other
   type(laser_hooks) :: hooks
   type(laser_model) :: probe
   type(stopper), target :: host
   real(real64) :: whole(2, 50), x(2, 50)
   integer :: status
   logical :: there

   call train(probe, 2) ! or skip
   call probe%free()
   call options%from_json(settings)
   call options%set("refiner.method", "rejection")
   call other%from_json(settings)
   call other%set("flow.steps", 6)
   call hooks%new()
   call job(options, whole, status)
   call expect_ok(status, "the whole job")
   call checkpoints()
   call positions()
   call ranks()
   call hooks%free()
   call options%free()
   call other%free()
   call finish()

contains

   !> Trains and refines on the same events each time, and generates.
   subroutine job(options, x, status)
      type(laser_options), intent(in) :: options
      real(real64), intent(out) :: x(:, :)
      integer, intent(out) :: status
      type(random), target :: events
      type(laser_source) :: source
      type(laser_generator) :: generator
      type(laser_model) :: model
      type(laser_sampler) :: sampler
      x = 0
      call source%from_callback(2, .false., simulate, events)
      call generator%train(source, options, hooks, status)
      if (status == LASER_OK) call model%refine(generator, source, options, hooks, status)
      if (status == LASER_OK) then
         call sampler%new(model, 1_int64, 0_int64)
         call sampler%generate(x)
      end if
      call sampler%free()
      call model%free()
      call generator%free()
      call source%free()
   end subroutine job

   subroutine checkpoints()
      character(len=*), parameter :: path = "test_resume.checkpoint"
      integer :: unit
      open (newunit=unit, file=path)
      close (unit, status="delete")
      call host%cancel%new()
      call hooks%set_cancel(host%cancel)
      call hooks%set_progress(watch, host)
      call hooks%set_checkpoint(path)
      host%stage = "flow"
      call job(options, x, status)
      call expect_failure(status, LASER_ERR_CANCELLED, "during flow", "a token in the flow's training")
      inquire (file=path, exist=there)
      call expect(there, "a stopped call leaves a checkpoint")
      call host%cancel%reset()
      host%stage = "classifier"
      call job(options, x, status)
      call expect_failure(status, LASER_ERR_CANCELLED, "during classifier", "a token in the classifier's training")
      call host%cancel%reset()
      host%stage = ""
      call job(other, x, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "its `flow.steps` is 5, not 6", "another job")
      call hooks%set_checkpoint(path, 0.5_real64, 2)
      call job(options, x, status)
      call expect_ok(status, "the job gone on with")
      call expect(same(x, whole), "a job that was stopped twice has the events of one that was not")
      call hooks%set_checkpoint(path, 0.0_real64, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "it must be a positive number", "no seconds")
      call hooks%set_checkpoint(path, steps=-1, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "steps is negative", "negative steps")
      open (newunit=unit, file=path)
      close (unit, status="delete")
      call hooks%free()
      call host%cancel%free()
   end subroutine checkpoints

   !> A generator's training, its events, and how many events were made for it.
   subroutine flow(options, tells, x, made, status, context)
      type(laser_options), intent(in) :: options
      logical, intent(in) :: tells
      real(real64), intent(out) :: x(:, :)
      integer, intent(out) :: made, status
      class(*), intent(inout), target, optional :: context
      type(simulator), target :: events
      type(laser_source) :: source
      type(laser_generator) :: generator
      type(laser_model) :: model
      type(laser_sampler) :: sampler
      x = 0
      call source%from_callback(2, .false., deliver, events)
      if (present(context)) then
         call source%set_position(tell, seek, context)
      else if (tells) then
         call source%set_position(tell, seek, events)
      end if
      call generator%train(source, options, hooks, status)
      if (status == LASER_OK) then
         call model%from_generator(generator)
         call sampler%new(model, 1_int64, 0_int64)
         call sampler%generate(x)
      end if
      made = events%made
      call sampler%free()
      call model%free()
      call generator%free()
      call source%free()
   end subroutine flow

   subroutine positions()
      character(len=*), parameter :: path = "test_resume.position"
      type(laser_options) :: long
      type(laser_source) :: array
      real(real64), target :: points(2, 100)
      real(real64) :: complete(2, 50)
      real(real64), pointer :: p(:, :)
      integer :: unit, all, again, k
      integer, target :: stranger = 0
      logical :: tells
      call long%from_json(settings)
      call long%set("flow.steps", 600) ! for which the events that are measured first are not enough
      call hooks%new()
      call flow(long, .false., complete, all, status)
      call expect_ok(status, "a training")
      call host%cancel%new()
      call hooks%set_cancel(host%cancel)
      call hooks%set_progress(watch, host)
      call hooks%set_checkpoint(path)
      do k = 1, 2
         tells = k == 2
         open (newunit=unit, file=path)
         close (unit, status="delete")
         host%stage = "flow"
         host%step = 590
         call flow(long, tells, x, again, status)
         call expect_failure(status, LASER_ERR_CANCELLED, "during flow", "a training that is stopped near its end")
         call host%cancel%reset()
         host%stage = ""
         if (tells) then
            call flow(long, tells, x, again, status, stranger)
            call expect_failure(status, LASER_ERR_CALLBACK, "seek", "a position that cannot be restored")
            call expect(laser_last_callback_code() == 24, "and its code")
         end if
         call flow(long, tells, x, again, status)
         call expect_ok(status, "the training gone on with")
         call expect(same(x, complete), "it has the events of one that was not stopped")
         if (tells) call expect(again < all / 2, "what was used is not asked for again")
         if (.not. tells) call expect(again == all, "without positions all is asked for again")
      end do
      open (newunit=unit, file=path)
      close (unit, status="delete")
      call flow(long, .true., x, again, status, stranger)
      call expect_failure(status, LASER_ERR_CALLBACK, "tell", "a position that cannot be told")
      call expect(laser_last_callback_code() == 23, "and its code")
      call array%set_position(tell, seek, stranger, status)
      call expect_failure(status, LASER_ERR_NULL, "laser_source was not made", "a source that was not made")
      call random_number(points)
      p => points
      call array%from_array(p)
      call array%set_position(tell, seek, stranger, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "the source is no callback", "positions of an array")
      call array%free()
      call array%from_callback(2, .false., deliver, stranger)
      call array%set_position(tell, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "one of them is NULL", "tell without seek")
      call array%set_position(tell, seek, stranger, status)
      call expect_ok(status, "positions")
      call array%set_position(status=status)
      call expect_ok(status, "and none again")
      call array%free()
      open (newunit=unit, file=path)
      close (unit, status="delete")
      call hooks%free()
      call host%cancel%free()
      call long%free()
   end subroutine positions

   subroutine ranks()
      type(summer), target :: sums
      call hooks%set_allreduce(0, 1, allreduce, sums, status)
      call expect_failure(status, LASER_ERR_NULL, "laser_hooks was not made", "hooks that were not made")
      call hooks%new()
      call hooks%set_allreduce(0, 1, allreduce, sums)
      call job(options, x, status)
      call expect_ok(status, "one rank")
      call expect(same(x, whole), "one rank has the events of a process by itself")
      call expect(sums%calls > 10 .and. sums%numbers > 100, "the sum is asked for")
      sums%stop_at = sums%calls + 7
      call job(options, x, status)
      call expect_failure(status, LASER_ERR_CALLBACK, "allreduce", "a sum that fails")
      call expect(laser_last_callback_code() == 17, "and its code")
      call hooks%set_allreduce(3, 2, allreduce, sums, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "rank 3 of 2", "a rank that is none")
      call hooks%set_allreduce(-1, 2, allreduce, sums, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "rank is negative", "a negative rank")
      call hooks%set_allreduce(0, 1)
      sums%calls = 0
      call job(options, x, status)
      call expect_ok(status, "without ranks again")
      call expect(sums%calls == 0, "a process by itself sums nothing")
   end subroutine ranks
end program test_resume
