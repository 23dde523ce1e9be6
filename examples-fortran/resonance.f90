! From a simulator to events: trains a flow on muon pairs of a Z resonance, refines it, saves the model, and generates in an
! event loop that is interrupted and resumed, and on several threads; then compares with the truth.
!
!     resonance [MODEL] [--quick]      MODEL: the file to write; --quick: that it works, not how well
module watching
   use laser
   use, intrinsic :: iso_fortran_env, only: error_unit
   implicit none

   type :: watcher
      character(len=32) :: stage = "" !< the one that was last told of
   end type watcher

contains

   !> A line at the end of every epoch, and of the pilot run.
   subroutine show(progress, code, context)
      type(laser_progress), intent(in) :: progress
      integer, intent(inout) :: code
      class(*), intent(inout) :: context
      code = 0 ! anything else stops the call
      select type (context)
      type is (watcher)
         if (progress%stage /= context%stage) write (error_unit, "(2a)") "stage ", progress%stage
         context%stage = progress%stage
      end select
      if (mod(progress%step * progress%epochs, progress%steps) == 0) write (error_unit, "(a, i0, a, i0, a, f9.5, a, f9.5)") &
         "  epoch ", progress%epoch, " of ", progress%epochs, ", loss ", progress%loss, ", held out ", progress%validation_loss
   end subroutine show

   !> What the library decided and what it warns of.
   subroutine tell(level, message, code, context)
      integer, intent(in) :: level
      character(len=*), intent(in) :: message
      integer, intent(inout) :: code
      class(*), intent(inout) :: context
      code = 0
      select type (context)
      type is (watcher)
         context%stage = ""
      end select
      write (error_unit, "(2a)") merge("warning: ", "note:    ", level == LASER_LOG_WARNING), message
   end subroutine tell
end module watching

program resonance
   use laser
   use drell_yan, only: simulator, simulate, events
   use watching, only: watcher, show, tell
   use, intrinsic :: iso_fortran_env, only: int64, real64
   implicit none
   integer(int64), parameter :: seed = 42, stream = 7
   type(simulator), target :: host
   type(watcher), target :: screen
   type(laser_options) :: options
   type(laser_hooks) :: hooks
   type(laser_source) :: source
   type(laser_generator) :: flow
   type(laser_model) :: model
   character(len=256) :: path, argument
   character(len=:), allocatable :: method
   logical :: quick
   integer :: n, i

   path = "resonance.laser"
   quick = .false.
   do i = 1, command_argument_count()
      call get_command_argument(i, argument)
      if (argument == "--quick") then
         quick = .true.
      else
         path = argument
      end if
   end do
   n = merge(20000, 500000, quick)

   call options%new("fast")
   ! The networks see the features without their bounds: no event will ever lie beyond them.
   call options%set("features.scaling", "logit(60:120), logit(-1:1)")
   if (quick) then
      call options%set("flow.blocks", 4)
      call options%set("flow.units", 16)
      call options%set("flow.epochs", 2)
      call options%set("flow.steps", 20)
      call options%set("classifier.epochs", 2)
      call options%set("classifier.steps", 20)
      call options%set("weights.events", 5000)
   end if
   call hooks%new()
   call hooks%set_progress(show, screen)
   call hooks%set_log(tell, screen)

   call source%from_callback(2, .false., simulate, host)
   call flow%train(source, options, hooks)
   call model%refine(flow, source, options, hooks)
   call model%save(path)
   call model%method(method)
   print "(i0, 4a)", host%events, " events simulated; refined by ", method, ", saved as ", trim(path)
   print "(a, f8.4)", "mean weight (1: the classifier is calibrated)          ", model%get("weights.mean")
   print "(a, f8.4)", "effective fraction (1: little had to be repaired)      ", model%get("weights.effective_fraction")
   call flow%free()
   call source%free()

   call event_loop()
   call on_threads()
   call compare()

   call model%free()
   call hooks%free()
   call options%free()

contains

   !> Event i of stream s with seed k is a function of (model, k, s, i) alone: a job resumed by seek gives the same bits.
   subroutine event_loop()
      integer, parameter :: loop = 999, cut = 333
      type(laser_sampler) :: sampler
      real(real64) :: whole(2, loop), parts(2, loop), weights(loop)
      integer(int64) :: done
      integer :: i
      call sampler%new(model, seed, stream)
      do i = 1, loop
         ! By rejection the weight is 1, except for the rare events above w_max. A host fills its histograms with it.
         call sampler%next(whole(:, i), weights(i))
      end do
      print "(a, f8.4)", "accepted fraction of the proposals                     ", sampler%get("acceptance")
      print "(a, f8.4)", "share of the weight above w_max                        ", sampler%get("overweight_fraction")
      call sampler%seek(0_int64)
      do i = 1, cut
         call sampler%next(parts(:, i))
      end do
      done = sampler%tell() ! all that an interrupted job must remember
      call sampler%free()

      call sampler%new(model, seed, stream) ! perhaps another day, on another node
      call sampler%seek(done)
      do i = int(done) + 1, loop
         call sampler%next(parts(:, i))
      end do
      call sampler%free()
      print "(a)", "mass in GeV, cos(theta), weight of the first five events:"
      do i = 1, 5
         print "(f14.4, f12.4, f10.4)", whole(:, i), weights(i)
      end do
      if (any(abs(whole - parts) > 0)) error stop "the resumed job made different events"
      print "(i0, a, i0, a)", loop, " events, interrupted after ", done, " and resumed: the same bits"
   end subroutine event_loop

   !> One sampler per thread, each with its share of the stream: together they make the events of one alone. Without OpenMP
   !! it is one thread.
   subroutine on_threads()
      integer, parameter :: shares = 4
      type(laser_sampler) :: sampler
      real(real64), allocatable :: alone(:, :), together(:, :)
      integer :: share
      allocate (alone(2, n), together(2, n))
      call sampler%new(model, seed, stream)
      call sampler%generate(alone)
      call sampler%free()
      !$omp parallel do
      do share = 1, shares
         call generate(int((share - 1) * int(n, int64) / shares), int(share * int(n, int64) / shares), together)
      end do
      !$omp end parallel do
      if (any(abs(alone - together) > 0)) error stop "the threads made different events"
      print "(i0, a)", n, " events, in shares: the same bits"
   end subroutine on_threads

   !> The events after `from` up to `to`. The model is shared, the sampler the thread's own.
   subroutine generate(from, to, x)
      integer, intent(in) :: from, to
      real(real64), intent(inout) :: x(:, :)
      type(laser_sampler) :: sampler
      call sampler%new(model, seed, stream)
      call sampler%seek(int(from, int64))
      call sampler%generate(x(:, from + 1:to))
      call sampler%free()
   end subroutine generate

   subroutine compare()
      type(laser_histogram) :: truth
      real(real64), allocatable :: x(:, :), bins(:, :)
      integer :: peak(2)
      allocate (x(2, n))
      call truth%new(60, 60.0_real64, 120.0_real64, 20, -1.0_real64, 1.0_real64)
      call events(host, x)
      call truth%fill(x)
      call truth%contents(bins)
      peak = maxloc(bins)
      print "(a, i0, a, i0, a)", "fullest bin of the truth: ", 59 + peak(1), " to ", 60 + peak(1), " GeV"
      call score(truth, "baseline")
      call score(truth, "model")
      call truth%free()
   end subroutine compare

   !> The Jensen-Shannon divergence from the truth beside its floor: what a second sample of the truth would score by chance.
   subroutine score(truth, method)
      type(laser_histogram), intent(in) :: truth
      character(len=*), intent(in) :: method
      type(laser_options) :: by
      type(laser_sampler) :: sampler
      type(laser_histogram) :: histogram
      real(real64), allocatable :: x(:, :), w(:)
      real(real64) :: jsd, floor, spread
      allocate (x(2, n), w(n))
      call by%new()
      call by%set("sampler.method", method)
      call sampler%new(model, seed, stream, by)
      call sampler%generate(x, w)
      call histogram%new(60, 60.0_real64, 120.0_real64, 20, -1.0_real64, 1.0_real64)
      call histogram%fill(x, w)
      call laser_jsd(truth, histogram, jsd)
      call laser_jsd_floor(truth, histogram, 20, seed, floor, spread)
      print "(a10, 3(a, es9.2))", method, ": JSD ", jsd, " nats; floor ", floor, " +- ", spread
      call histogram%free()
      call sampler%free()
      call by%free()
   end subroutine score
end program resonance
