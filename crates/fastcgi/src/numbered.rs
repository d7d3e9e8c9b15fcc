//! What the specification gives a number and a name.

/// Defines an enum with the number of each value on the wire. Every other number is `Other`, of which this is said.
macro_rules! numbered {
    (
        $(#[$about:meta])* $name:ident: $Number:ty {
            $($(#[$meaning:meta])* $value:ident = $number:literal,)+
            _: $other:literal,
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$meaning])* $value,)+
            #[doc = $other]
            Other($Number),
        }

        impl $name {
            /// The number on the wire.
            pub const fn value(self) -> $Number {
                match self {
                    $(Self::$value => $number,)+
                    Self::Other(number) => number,
                }
            }
        }

        impl From<$Number> for $name {
            fn from(number: $Number) -> Self {
                match number {
                    $($number => Self::$value,)+
                    other => Self::Other(other),
                }
            }
        }
    };
}

pub(super) use numbered;
