#[repr(C)]
#[derive(qom::Object, hwcore::Device)]
pub struct State { pub parent_obj: ParentField<SysBusDevice>, regs: [u32; 4] }
qom_isa!(State : SysBusDevice, DeviceState, Object);
unsafe impl ObjectType for State {
    type Class = <SysBusDevice as ObjectType>::Class;
    const TYPE_NAME: &'static CStr = c"pl011";
}
